// Convolutions: sums over the taps of a kernel.
#pragma once

#include <cstdint>

#include "../dtype.hpp"
#include "epilogue.hpp"

namespace kerasish {

// One spatial axis. Tap t of output position p reads input position p * step + offset[t], zero outside of [0, in).
struct TapAxis {
  std::int64_t in, in_stride;    // input positions; elements from one to the next
  std::int64_t out, out_stride;  // the same of the output
  std::int64_t step;
  std::int64_t taps;
  const std::int64_t* offset;  // ascending
  const std::int64_t* weight;  // where tap t stands in the kernel, in elements
};

// y[p, f] = sum over taps and channels of x[p * step + offset, c] * weights[tap, c, f], in each image and group.
//
// `conv` is one such sum, `conv_transpose` is one for each phase of its strides (with the channels' roles exchanged).
// The same geometry describes the gradient of the kernel: weights[tap, c, f] = sum over p of x[...] * y[p, f]. Of the
// two, the operand that the kernel computes is written, the others are read. Channels are contiguous in x and y.
struct TapSum {
  Dtype dtype;  // float32 or float64
  void* x;
  void* weights;
  void* y;
  std::int64_t images, x_image, y_image;  // elements from one image to the next
  TapAxis axis[3];
  std::int64_t y_first;                         // of position 0, in elements
  std::int64_t groups, x_channels, y_channels;  // channels of one group
  std::int64_t weight_x, weight_y, weight_group;  // elements from one channel of x, of y, one group to the next
  // Only where y is part of a contiguous matrix of positions and channels: of images of `whole` positions, of which
  // these are the ones from `begin` on.
  Epilogue epilogue;
  std::int64_t whole[3], begin[3];
};

struct ConvKernels {
  void (*sum)(const TapSum&);          // y
  void (*weights)(const TapSum&);      // weights, which must be contiguous in the order taps, x_channels, y channels
};

}  // namespace kerasish
