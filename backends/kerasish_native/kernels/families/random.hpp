// Portable random words; threefry.hpp states the layout.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kerasish {

struct RandomKernels {
  // out[0:n] = the first n words of the key (k0, k1) with c1 as the counter's second word.
  void (*bits)(std::uint32_t k0, std::uint32_t k1, std::uint32_t c1, std::size_t n, std::uint32_t* out);
  // out[0:n] = (bits >> 8) * 2^-24: multiples of 2^-24 in [0, 1), exact in float32.
  void (*uniform)(std::uint32_t k0, std::uint32_t k1, std::uint32_t c1, std::size_t n, float* out);
};

}  // namespace kerasish
