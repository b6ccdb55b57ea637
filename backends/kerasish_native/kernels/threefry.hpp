// Threefry-2x32-20 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//
// The portable generator of kerasish; `kerasish/core/threefry.py` is its definition in NumPy and the two agree
// bit for bit. n words of key (k0, k1) are concat(y0[0:h], y1[0:h])[:n], where h = ceil(n / 2) and
// (y0[i], y1[i]) is the cipher of counter (i, c1): c1 is twice the number of the draw, 0 for the first.
#pragma once

#include <cstddef>
#include <cstdint>

#include "isa.hpp"

namespace kerasish {

// More words than this would repeat counters: 2^32 blocks of two words.
constexpr std::uint64_t threefry_max_words = std::uint64_t{1} << 33;

// In a namespace without a name: each instruction set compiles its own copy.
namespace {

struct Block {
  std::uint32_t y0;
  std::uint32_t y1;
};

KERASISH_INLINE std::uint32_t rotate_left(std::uint32_t x, int by) { return (x << by) | (x >> (32 - by)); }

// The cipher of one counter.
KERASISH_INLINE Block threefry2x32(std::uint32_t k0, std::uint32_t k1, std::uint32_t c0, std::uint32_t c1) {
  constexpr int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  // 0x1BD11BDA: the parity constant of the paper, so that no key gives an all-zero schedule.
  const std::uint32_t schedule[3] = {k0, k1, 0x1BD11BDAu ^ k0 ^ k1};
  std::uint32_t x0 = c0 + k0;
  std::uint32_t x1 = c1 + k1;
#if defined(__GNUC__)
#pragma GCC unroll 5
#endif
  for (int group = 0; group < 5; ++group) {
#if defined(__GNUC__)
#pragma GCC unroll 4
#endif
    for (int round = 0; round < 4; ++round) {
      x0 += x1;
      x1 = rotate_left(x1, rotations[group & 1][round]) ^ x0;
    }
    x0 += schedule[(group + 1) % 3];
    x1 += schedule[(group + 2) % 3] + static_cast<std::uint32_t>(group + 1);
  }
  return {x0, x1};
}

}  // namespace
}  // namespace kerasish
