// Scaled dot-product attention.
#pragma once

#include <cstdint>

#include "../dtype.hpp"

namespace kerasish {

// Where element (b, t, n, h) of an array with axes (batch, position, head, channel) is; strides count elements.
struct HeadsView {
  void* data;
  std::int64_t batch, position, head, channel;
};

// The same of element (b, n, t, s) of an array over pairs of positions; broadcast axes have stride 0.
struct PairsView {
  const void* data;  // null: there is none
  std::int64_t batch, head, query, key;
};

// y = softmax(cap(scale q k') + bias, masked) v in each batch entry and head, cap(x) = soft_cap tanh(x / soft_cap) if
// soft_cap > 0. No size but batch, heads, queries and width may be 0.
struct AttentionCall {
  Dtype dtype;  // of q, k, v, y and bias: a float
  std::int64_t batch, heads, queries, keys, channels, width;  // q, k have `channels`, v and y `width`
  HeadsView q, k, v, y;  // channels of y are contiguous
  PairsView bias, mask;  // mask: bool, true where a query may attend to a key
  double scale, soft_cap;
  bool causal;  // query t attends to keys s <= t
};

struct AttentionKernels {
  void (*attend)(const AttentionCall&);
};

}  // namespace kerasish
