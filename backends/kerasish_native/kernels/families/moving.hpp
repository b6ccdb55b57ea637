// Moving elements without looking at them: copies between layouts, and copies at places that indices name.
#pragma once

#include <cstdint>

#include "../dtype.hpp"

namespace kerasish {

constexpr int max_axes = 8;

// to[w · to_strides] = from[w · from_strides] for each w within shape. Strides count elements; those of `from` may be 0
// or negative. The axes stand in the order the result is walked (plan/walk.hpp sorts and merges them). No overlap.
struct CopyCall {
  int item;  // bytes of an element: 1, 2, 4 or 8
  int axes;
  std::int64_t shape[max_axes], from_strides[max_axes], to_strides[max_axes];
  const char* from;
  char* to;
};

// Where each element of a walk finds its places along the indexed axes of a tensor: place i is
// clamp(data[i][w · strides[i]], 0, size[i] - 1), and moves the address by place · step[i] elements.
struct Places {
  int count;
  const std::int32_t* data[max_axes];
  std::int64_t strides[max_axes][max_axes];
  std::int64_t size[max_axes], step[max_axes];
};

// to[w · to_strides] = from[w · from_strides + places(w)].
struct GatherCall {
  CopyCall walk;
  Places places;
};

enum class Scatter { update, add, max };

// to[w · to_strides + places(w)] = from[w · from_strides], or added to, or the larger one, in the order of the walk.
// Sums of 16-bit floats are formed in float32 and rounded once: then `to` must be contiguous of `total` elements.
struct ScatterCall {
  CopyCall walk;
  Places places;
  Scatter mode;
  Dtype dtype;
  std::int64_t total;
};

// out = table - rate * (the sum, in order, of updates whose index names the row), for a table (rows, columns) and updates
// (count, columns) of float32 or float64; indices beyond the table mean its ends. All are C-contiguous, out apart.
struct DescendCall {
  Dtype dtype;
  std::int64_t rows, columns, count;
  const void* table;
  const std::int32_t* indices;
  const void *updates, *rate;
  void* out;
};

struct MovingKernels {
  void (*copy)(const CopyCall&);
  void (*gather)(const GatherCall&);
  void (*scatter)(const ScatterCall&);
  void (*descend)(const DescendCall&);
};

}  // namespace kerasish
