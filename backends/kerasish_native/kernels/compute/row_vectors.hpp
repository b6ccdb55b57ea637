// Rows taken vector by vector, whose length need not be a multiple of a vector's.
#pragma once

#include "microkernel.hpp"

namespace kerasish {
namespace KERASISH_ISA {

// Calls body(i, count) for the vectors of a row of n elements: lanes at a time, the last time perhaps fewer. `count` is a
// constant to the compiler wherever it is all lanes.
template <class T, class Body>
KERASISH_INLINE void each_vector(std::int64_t n, const Body& body) {
  constexpr int lanes = Simd<T>::lanes;
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) body(i, lanes);
  if (i < n) body(i, static_cast<int>(n - i));
}

template <class T>
KERASISH_INLINE typename Simd<T>::vector get(const T* p, int count) {
  return count == Simd<T>::lanes ? load(p) : load_some(p, count);
}
template <class T>
KERASISH_INLINE void put(T* p, typename Simd<T>::vector v, int count) {
  if (count == Simd<T>::lanes) {
    store(p, v);
  } else {
    store_some(p, v, count);
  }
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
