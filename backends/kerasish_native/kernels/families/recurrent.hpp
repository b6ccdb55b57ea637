// Whole sequences of LSTM and GRU cells.
#pragma once

#include <cstdint>

#include "../dtype.hpp"

namespace kerasish {

// Sizes of a sequence. All arrays below are C-contiguous, of one dtype (float32 or float64).
struct SequenceShape {
  Dtype dtype;
  std::int64_t batch, time, channels, units;  // B, T, C, U
  // From the last time to the first. `outputs` are in the order in which they are made; what is kept for the backward
  // pass is in the order of the inputs.
  bool reverse;
};

// Gates in the order i, f, g (the candidate), o:  z = x kernel + h recurrent + bias,  c = f c + i g,  h = o tanh(c).
struct LstmCall : SequenceShape {
  const void *x, *h0, *c0, *kernel, *recurrent, *bias;  // (B, T, C), (B, U) twice, (C, 4U), (U, 4U), (4U,) or null
  const bool* mask;  // (B, T) or null: where false, states stay and the output before is repeated (zeros at first)
  void *outputs, *h, *c;  // (B, T, U) or null, (B, U) twice
  // Kept for the backward pass, or null: activated gates (B, T, 4U), c (B, T, U), and h before the step (B, T, U).
  void *gates, *cells, *before;
};

struct LstmGradCall : SequenceShape {
  const void *x, *c0, *kernel, *recurrent;
  const bool* mask;
  const void *gates, *cells, *before;
  const void *outputs_grad, *h_grad, *c_grad;  // null: zero
  void *x_grad, *h0_grad, *c0_grad, *kernel_grad, *recurrent_grad, *bias_grad;  // x_grad and bias_grad may be null
};

// Gates in the order z, r, g, the reset gate applied after the product:  n = h recurrent + bias[1],
// g = tanh(x kernel + bias[0] + r n),  h = z h + (1 - z) g.
struct GruCall : SequenceShape {
  const void *x, *h0, *kernel, *recurrent, *bias;  // (B, T, C), (B, U), (C, 3U), (U, 3U), (2, 3U) or null
  const bool* mask;
  void *outputs, *h;
  void *gates, *before;  // z, r, g and the candidate's part of n: (B, T, 4U); (B, T, U); or null
};

struct GruGradCall : SequenceShape {
  const void *x, *kernel, *recurrent;
  const bool* mask;
  const void *gates, *before;
  const void *outputs_grad, *h_grad;
  void *x_grad, *h0_grad, *kernel_grad, *recurrent_grad, *bias_grad;
};

struct RecurrentKernels {
  void (*lstm)(const LstmCall&);
  void (*lstm_grad)(const LstmGradCall&);
  void (*gru)(const GruCall&);
  void (*gru_grad)(const GruGradCall&);
};

}  // namespace kerasish
