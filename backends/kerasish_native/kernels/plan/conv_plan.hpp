// Convolutions of arrays as sums over taps.
#pragma once

#include <cstdint>
#include <vector>

#include "../families/conv.hpp"

namespace kerasish {

// y (images, *out, filters) is the convolution of x (images, *in, channels) with the kernel (*window, channels /
// groups, filters); all are contiguous. Fewer than three spatial axes are preceded by axes of size one.
struct ConvShape {
  Dtype dtype = Dtype::float32;
  std::int64_t images = 0, channels = 0, filters = 0, groups = 1;
  std::int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, window[3] = {1, 1, 1};
  std::int64_t stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1};
  std::int64_t pad[3] = {0, 0, 0};  // before the first position
};

// A sum over taps with the lists that it points to.
struct TapPlan {
  TapSum sum{};
  std::vector<std::int64_t> offset[3], weight[3];

  // The sum with its operands.
  TapSum at(void* x, void* weights, void* y) const;
};

// y from x and the kernel; also the geometry of the kernel's gradient.
TapPlan forward_taps(const ConvShape& shape);

// x from y and the kernel: one sum for each phase of the strides, which together write all of x.
std::vector<TapPlan> backward_taps(const ConvShape& shape);

}  // namespace kerasish
