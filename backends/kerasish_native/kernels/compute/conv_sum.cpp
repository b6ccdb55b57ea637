#include "conv_sum.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

template <class T>
void sum(const TapSum& c) {
  if (is_depthwise(c)) {
    sum_depthwise<T>(c);
  } else if (!sum_winograd(c)) {
    sum_direct<T>(c);
  }
}

template <class T>
void weights(const TapSum& c) {
  if (is_depthwise(c)) {
    weights_depthwise<T>(c);
  } else if (!weights_winograd(c)) {
    weights_direct<T>(c);
  }
}

std::int64_t positions(const TapSum& c) { return c.images * c.axis[0].out * c.axis[1].out * c.axis[2].out; }

void sum_any(const TapSum& c) {
  if (positions(c) * c.groups * c.y_channels == 0) return;
  c.dtype == Dtype::float64 ? sum<double>(c) : sum<float>(c);
}

void weights_any(const TapSum& c) {
  const std::int64_t size = c.axis[0].taps * c.axis[1].taps * c.axis[2].taps * c.x_channels * c.groups * c.y_channels;
  if (size == 0) return;
  if (positions(c) == 0) {
    std::memset(c.weights, 0, static_cast<std::size_t>(size) * item_size(c.dtype));
    return;
  }
  c.dtype == Dtype::float64 ? weights<double>(c) : weights<float>(c);
}

}  // namespace

void finish_rows(const TapSum& c, std::int64_t image, std::int64_t d, std::int64_t h0, std::int64_t h1, std::int64_t w0,
                 std::int64_t w1) {
  if (c.epilogue.apply == nullptr) return;
  const std::int64_t width = c.whole[2], filters = c.groups * c.y_channels;
  const std::int64_t first = (image * c.whole[0] + d + c.begin[0]) * c.whole[1] + c.begin[1];
  if (w1 - w0 == width) {
    c.epilogue.apply(c.epilogue.context, (first + h0) * width, (first + h1) * width, 0, filters);
    return;
  }
  for (std::int64_t h = h0; h < h1; ++h) {
    const std::int64_t row = (first + h) * width + c.begin[2];
    c.epilogue.apply(c.epilogue.context, row + w0, row + w1, 0, filters);
  }
}

void fill_conv(ConvKernels& table);
void fill_conv(ConvKernels& table) {
  table.sum = sum_any;
  table.weights = weights_any;
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
