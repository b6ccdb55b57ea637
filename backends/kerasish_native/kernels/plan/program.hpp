// A plan laid out for running: memory for every value, and steps that are run in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "../dtype.hpp"

namespace kerasish {

// Part of a slot's memory seen as an array: strides and offset count elements and may be 0 (broadcast) or negative.
struct View {
  int slot = 0;
  Dtype dtype = Dtype::float32;
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;

  std::int64_t size() const {
    std::int64_t n = 1;
    for (std::int64_t d : shape) n *= d;
    return n;
  }
};

// Whether the elements follow each other in C order.
inline bool is_packed(const View& view) {
  if (view.size() == 0) return true;
  std::int64_t stride = 1;
  for (std::size_t i = view.shape.size(); i-- > 0; stride *= view.shape[i]) {
    if (view.shape[i] > 1 && view.strides[i] != stride) return false;
  }
  return true;
}

// Where each slot's memory begins in the run at hand.
using Slots = char* const*;

inline char* address(const View& view, Slots slots) {
  return slots[view.slot] + view.offset * static_cast<std::int64_t>(item_size(view.dtype));
}

// One kernel call with its operands bound. Steps are built when a function is compiled, check their arguments then, and
// do not throw when they run.
class Step {
 public:
  virtual ~Step() = default;
  virtual void run(Slots slots) const = 0;
};

// Slots, steps and the arena that holds intermediate results. One run at a time; a second caller waits.
class Program {
 public:
  // arena: (slot, byte offset) of each intermediate value. alone: whether it is too short for more than one thread.
  Program(int slots, std::vector<std::pair<int, std::size_t>> arena, std::size_t arena_bytes,
          std::vector<std::shared_ptr<Step>> steps, bool alone);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  int slots() const { return static_cast<int>(base_.size()); }
  const std::vector<std::shared_ptr<Step>>& steps() const { return steps_; }
  // Runs all steps; `outer` holds the memory of every slot that is not in the arena, by slot. With `seconds`, appends what
  // each step took.
  void run(const std::vector<char*>& outer, std::vector<double>* seconds = nullptr);

 private:
  std::vector<char*> base_;
  std::vector<std::shared_ptr<Step>> steps_;
  char* arena_ = nullptr;
  bool alone_;
  std::mutex turn_;
};

}  // namespace kerasish
