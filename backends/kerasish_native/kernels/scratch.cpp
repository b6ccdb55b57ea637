#include "scratch.hpp"

#include <cstdlib>
#include <new>

namespace kerasish {
namespace {

struct Blocks {
  void* data[static_cast<int>(Scratch::count)] = {};
  std::size_t size[static_cast<int>(Scratch::count)] = {};
  ~Blocks() {
    for (void* block : data) std::free(block);
  }
};

}  // namespace

void* scratch(Scratch use, std::size_t bytes) {
  thread_local Blocks blocks;
  const int i = static_cast<int>(use);
  if (blocks.size[i] < bytes) {
    std::free(blocks.data[i]);
    blocks.size[i] = 0;
    const std::size_t size = (bytes + 4095) / 4096 * 4096;
    blocks.data[i] = std::aligned_alloc(64, size);
    if (blocks.data[i] == nullptr) throw std::bad_alloc();
    blocks.size[i] = size;
  }
  return blocks.data[i];
}

}  // namespace kerasish
