// Threefry-2x32-20 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//
// The portable generator of kerasish; `kerasish/core/threefry.py` is its definition in NumPy and the two agree
// bit for bit. n words of key (k0, k1) are concat(y0[0:h], y1[0:h])[:n], where h = ceil(n / 2) and
// (y0[i], y1[i]) is the cipher of counter (i, c1): c1 is twice the number of the draw, 0 for the first.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kerasish {

// More words than this would repeat counters: 2^32 blocks of two words.
constexpr std::uint64_t threefry_max_words = std::uint64_t{1} << 33;

struct Block {
  std::uint32_t y0;
  std::uint32_t y1;
};

// The cipher of one counter.
Block threefry2x32(std::uint32_t k0, std::uint32_t k1, std::uint32_t c0, std::uint32_t c1);

// out[0:n] = the first n words of the key. Threaded when n is large.
void random_bits(std::uint32_t k0, std::uint32_t k1, std::uint32_t c1, std::size_t n, std::uint32_t* out);

// out[0:n] = (bits >> 8) * 2^-24: multiples of 2^-24 in [0, 1), exact in float32.
void random_uniform(std::uint32_t k0, std::uint32_t k1, std::uint32_t c1, std::size_t n, float* out);

}  // namespace kerasish
