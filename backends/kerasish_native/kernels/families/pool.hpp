// Pooling: the largest or the mean of each window.
#pragma once

#include <cstdint>

#include "../dtype.hpp"

namespace kerasish {

// Arrays are contiguous: (images, *in, channels) and (images, *out, channels). Fewer than three spatial axes are
// preceded by axes of size one. Window p of an axis holds positions p * stride - pad + [0, window), less those outside
// of the input.
struct PoolCall {
  Dtype dtype;
  std::int64_t images, channels;
  std::int64_t in[3], out[3], window[3], stride[3], pad[3];
  const void* x;       // (images, *in, channels), but the gradient of a mean: (images, *out, channels)
  const void* values;  // of the gradient of a maximum: (images, *out, channels); of a pick: (images, *in, channels)
  void* y;
};

// A maximum is NaN where its window holds one. "The first largest" is the first in the order of the window; NaN counts
// as largest. Means and gradients are for floats; 16-bit floats are added in float32.
struct PoolKernels {
  // y (out) of x (in), any dtype but bool.
  void (*max)(const PoolCall&);
  // y (in): values (out) at the first largest element of each window of x (in), added.
  void (*max_grad)(const PoolCall&);
  // y (out): values (in) at the first largest element of each window of x (in).
  void (*max_pick)(const PoolCall&);
  // y (out) of x (in), over the elements inside of the input.
  void (*mean)(const PoolCall&);
  // y (in) of x (out).
  void (*mean_grad)(const PoolCall&);
};

}  // namespace kerasish
