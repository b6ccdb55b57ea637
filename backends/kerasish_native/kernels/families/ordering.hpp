// Kernels that go along lines of an array: running sums, places of extremes, sorting.
#pragma once

#include <cstdint>

#include "../dtype.hpp"

namespace kerasish {

// A C-contiguous array seen as (outer, n, inner): a line has n elements, `inner` elements apart. 16-bit floats are
// compared and summed as float32.
struct LineCall {
  Dtype dtype;
  std::int64_t outer, n, inner;
  const void* x;
  void* values;             // (outer, n or k, inner), or null where positions are asked for alone
  std::int32_t* positions;  // (outer, n or k or 1, inner), or null
  std::int64_t k;           // of top_k
};

struct OrderingKernels {
  void (*argmax)(const LineCall&);  // positions: the first of the largest; the first NaN if there is one. n > 0
  void (*argmin)(const LineCall&);
  void (*cumsum)(const LineCall&);
  void (*cumprod)(const LineCall&);
  void (*sort)(const LineCall&);   // ascending, stable, NaN last
  void (*top_k)(const LineCall&);  // the k largest, descending, of equals the first, NaN first; inner = 1
};

}  // namespace kerasish
