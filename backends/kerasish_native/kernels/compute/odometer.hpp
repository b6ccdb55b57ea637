// Counts through all but the last axis of a walk, keeping the offset of each array as it goes.
#pragma once

#include <cstdint>

#include "../families/moving.hpp"
#include "simd.hpp"

namespace kerasish {
namespace KERASISH_ISA {

// Rows of a walk: `Arrays` offsets, moved along by adding strides.
template <int Arrays>
class Odometer {
 public:
  // Stands at row `row` of the walk over shape[0:axes - 1]; strides[a] are array a's along all axes.
  Odometer(const std::int64_t* shape, int axes, const std::int64_t* const (&strides)[Arrays], std::int64_t row)
      : shape_(shape), outer_(axes - 1) {
    for (int a = 0; a < Arrays; ++a) {
      strides_[a] = strides[a];
      offset[a] = 0;
    }
    for (int i = outer_ - 1; i >= 0; --i) {
      at_[i] = row % shape[i];
      row /= shape[i];
      for (int a = 0; a < Arrays; ++a) offset[a] += at_[i] * strides[a][i];
    }
  }

  // How many rows from here on lie along the innermost counted axis, one stride apart.
  std::int64_t run() const { return outer_ == 0 ? 1 : shape_[outer_ - 1] - at_[outer_ - 1]; }

  // Goes on by 1 to run() rows.
  KERASISH_INLINE void skip(std::int64_t rows) {
    for (int i = outer_ - 1; i >= 0; --i) {
      for (int a = 0; a < Arrays; ++a) offset[a] += strides_[a][i] * rows;
      if ((at_[i] += rows) < shape_[i]) return;
      at_[i] = 0;
      for (int a = 0; a < Arrays; ++a) offset[a] -= strides_[a][i] * shape_[i];
      rows = 1;
    }
  }

  // Where the row at hand stands along an axis.
  std::int64_t at(int axis) const { return at_[axis]; }

  std::int64_t offset[Arrays];

 private:
  const std::int64_t* shape_;
  int outer_;
  const std::int64_t* strides_[Arrays];
  std::int64_t at_[max_axes] = {};
};

inline std::int64_t rows_of(const std::int64_t* shape, int axes) {
  std::int64_t rows = 1;
  for (int i = 0; i + 1 < axes; ++i) rows *= shape[i];
  return rows;
}

// Short runs are copied here, long ones by the C library.
KERASISH_INLINE void copy_bytes(char* to, const char* from, std::size_t n) {
  struct Wide {
    alignas(1) char bytes[vector_bytes];
  };
  if (n >= 1024) {
    std::memcpy(to, from, n);
    return;
  }
  if (n >= vector_bytes) {
    std::size_t i = 0;
    for (; i + vector_bytes <= n; i += vector_bytes) std::memcpy(to + i, from + i, sizeof(Wide));
    if (i != n) std::memcpy(to + n - vector_bytes, from + n - vector_bytes, sizeof(Wide));
    return;
  }
  for (; n >= 8; n -= 8, to += 8, from += 8) std::memcpy(to, from, 8);
  for (; n > 0; --n) *to++ = *from++;
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
