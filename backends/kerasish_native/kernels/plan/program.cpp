#include "program.hpp"

#include <chrono>
#include <cstdlib>
#include <new>

#include "../thread_pool.hpp"

namespace kerasish {

Program::Program(int slots, std::vector<std::pair<int, std::size_t>> arena, std::size_t arena_bytes,
                 std::vector<std::shared_ptr<Step>> steps, bool alone)
    : base_(static_cast<std::size_t>(slots), nullptr), steps_(std::move(steps)), alone_(alone) {
  if (arena_bytes != 0) {
    arena_ = static_cast<char*>(std::aligned_alloc(64, (arena_bytes + 63) / 64 * 64));
    if (arena_ == nullptr) throw std::bad_alloc();
  }
  for (const auto& [slot, offset] : arena) base_[static_cast<std::size_t>(slot)] = arena_ + offset;
}

Program::~Program() { std::free(arena_); }

void Program::run(const std::vector<char*>& outer, std::vector<double>* seconds) {
  std::lock_guard<std::mutex> lock(turn_);
  std::vector<char*> slots = base_;
  for (std::size_t i = 0; i < outer.size(); ++i) {
    if (outer[i] != nullptr) slots[i] = outer[i];
  }
  const PoolSession session;  // the pool's threads stay awake from step to step
  const CallerAlone caller(alone_);
  if (seconds == nullptr) {
    for (const auto& step : steps_) step->run(slots.data());
    return;
  }
  for (const auto& step : steps_) {
    const auto begin = std::chrono::steady_clock::now();
    step->run(slots.data());
    seconds->push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
}

}  // namespace kerasish
