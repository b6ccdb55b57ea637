#include "conv_plan.hpp"

namespace kerasish {
namespace {

std::int64_t modulo(std::int64_t a, std::int64_t b) { return (a % b + b) % b; }

// Elements from one position to the next along each axis of a contiguous (images, *size, channels) array.
void strides_of(const std::int64_t (&size)[3], std::int64_t channels, std::int64_t (&strides)[3], std::int64_t& image) {
  strides[2] = channels;
  strides[1] = strides[2] * size[2];
  strides[0] = strides[1] * size[1];
  image = strides[0] * size[0];
}

void kernel_strides(const ConvShape& s, std::int64_t (&strides)[3]) {
  std::int64_t all;
  strides_of(s.window, s.channels / s.groups * s.filters, strides, all);
}

bool is_pointwise(const ConvShape& s) {
  for (int i = 0; i < 3; ++i) {
    if (s.window[i] != 1 || s.stride[i] != 1 || s.pad[i] != 0 || s.in[i] != s.out[i]) return false;
  }
  return true;
}

// One long row of positions: there is nothing that tells images and rows apart.
ConvShape as_one_row(const ConvShape& s) {
  ConvShape row = s;
  const std::int64_t positions = s.images * s.in[0] * s.in[1] * s.in[2];
  row.images = 1;
  for (int i = 0; i < 3; ++i) row.in[i] = row.out[i] = i == 2 ? positions : 1;
  return row;
}

// The taps that give output positions phase, phase + stride, ... of one axis of x.
void phase_taps(const ConvShape& s, int axis, std::int64_t phase, std::int64_t kernel_stride, TapPlan& plan) {
  for (std::int64_t k = s.window[axis] - 1; k >= 0; --k) {
    const std::int64_t reach = phase + s.pad[axis] - k * s.dilation[axis];
    if (modulo(reach, s.stride[axis]) != 0) continue;
    plan.offset[axis].push_back(reach / s.stride[axis]);
    plan.weight[axis].push_back(k * kernel_stride);
  }
}

}  // namespace

TapSum TapPlan::at(void* x, void* weights, void* y) const {
  TapSum call = sum;
  call.x = x;
  call.weights = weights;
  call.y = y;
  for (int i = 0; i < 3; ++i) {
    call.axis[i].taps = static_cast<std::int64_t>(offset[i].size());
    call.axis[i].offset = offset[i].data();
    call.axis[i].weight = weight[i].data();
  }
  return call;
}

TapPlan forward_taps(const ConvShape& shape) {
  const ConvShape s = is_pointwise(shape) ? as_one_row(shape) : shape;
  std::int64_t x[3], y[3], k[3];
  TapPlan plan;
  TapSum& sum = plan.sum;
  strides_of(s.in, s.channels, x, sum.x_image);
  strides_of(s.out, s.filters, y, sum.y_image);
  kernel_strides(s, k);
  sum.dtype = s.dtype;
  sum.images = s.images;
  sum.groups = s.groups;
  sum.x_channels = s.channels / s.groups;
  sum.y_channels = s.filters / s.groups;
  sum.weight_x = s.filters;
  sum.weight_y = 1;
  sum.weight_group = s.filters / s.groups;
  for (int i = 0; i < 3; ++i) {
    sum.axis[i] = {s.in[i], x[i], s.out[i], y[i], s.stride[i], 0, nullptr, nullptr};
    sum.whole[i] = s.out[i];
    for (std::int64_t t = 0; t < s.window[i]; ++t) {
      plan.offset[i].push_back(t * s.dilation[i] - s.pad[i]);
      plan.weight[i].push_back(t * k[i]);
    }
  }
  return plan;
}

std::vector<TapPlan> backward_taps(const ConvShape& shape) {
  const ConvShape s = is_pointwise(shape) ? as_one_row(shape) : shape;
  std::int64_t x[3], y[3], k[3], x_image, y_image;
  strides_of(s.in, s.channels, x, x_image);
  strides_of(s.out, s.filters, y, y_image);
  kernel_strides(s, k);
  std::vector<TapPlan> plans;
  const std::int64_t phases = s.stride[0] * s.stride[1] * s.stride[2];
  for (std::int64_t number = 0; number < phases; ++number) {
    const std::int64_t phase[3] = {number / s.stride[2] / s.stride[1], number / s.stride[2] % s.stride[1],
                                   number % s.stride[2]};
    TapPlan plan;
    TapSum& sum = plan.sum;
    sum.dtype = s.dtype;
    sum.images = s.images;
    sum.x_image = y_image;
    sum.y_image = x_image;
    sum.groups = s.groups;
    sum.x_channels = s.filters / s.groups;
    sum.y_channels = s.channels / s.groups;
    sum.weight_x = 1;
    sum.weight_y = s.filters;
    sum.weight_group = s.filters / s.groups;
    bool is_empty = false;
    for (int i = 0; i < 3; ++i) {
      const std::int64_t positions = s.in[i] <= phase[i] ? 0 : (s.in[i] - phase[i] - 1) / s.stride[i] + 1;
      is_empty |= positions == 0;
      sum.axis[i] = {s.out[i], y[i], positions, x[i] * s.stride[i], 1, 0, nullptr, nullptr};
      sum.y_first += phase[i] * x[i];
      phase_taps(s, i, phase[i], k[i], plan);
    }
    if (!is_empty) plans.push_back(std::move(plan));
  }
  return plans;
}

}  // namespace kerasish
