// Working memory as arrays.
#pragma once

#include "../scratch.hpp"
#include "simd.hpp"

namespace kerasish {
namespace KERASISH_ISA {

// Room for `count` elements, and for vectors that begin in it.
template <class T>
KERASISH_INLINE T* workspace(Scratch use, std::int64_t count) {
  return static_cast<T*>(scratch(use, static_cast<std::size_t>(count) * sizeof(T) + 64));
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
