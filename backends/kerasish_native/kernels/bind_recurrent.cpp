// Steps of whole sequences: LSTM and GRU, forward and backward.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <variant>

#include "bind.hpp"
#include "kernel_table.hpp"
#include "plan/program.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace kerasish {
namespace {

using Ints = std::vector<std::int64_t>;
using Maybe = std::optional<View>;

// What x (B, T, C) and the recurrent kernel (U, n U) of a cell with n = 3 or 4 gates say of all other operands.
struct Shapes {
  Shapes(const View& of_x, const View& of_recurrent, std::int64_t n) {
    if (of_x.shape.size() != 3 || of_recurrent.shape.size() != 2) {
      throw std::invalid_argument("x (B, T, C), recurrent (U, n U)");
    }
    const std::int64_t b = of_x.shape[0], t = of_x.shape[1], c = of_x.shape[2], u = of_recurrent.shape[0];
    x = {b, t, c};
    mask = {b, t};
    state = {b, u};
    sequence = {b, t, u};
    gates = {b, t, 4 * u};
    kernel = {c, n * u};
    recurrent = {u, n * u};
    bias = n == 3 ? Ints{2, 3 * u} : Ints{4 * u};
  }

  Ints x, mask, state, sequence, gates, kernel, recurrent, bias;
};

// A call whose fields get the addresses of views; the fields of absent ones stay null.
template <class Call>
class SequenceStep final : public Step {
 public:
  SequenceStep(void (*kernel)(const Call&), const View& x, const View& recurrent, bool reverse)
      : kernel_(kernel), sizes_{x.dtype, x.shape[0], x.shape[1], x.shape[2], recurrent.shape[0], reverse} {
    if (x.dtype != Dtype::float32 && x.dtype != Dtype::float64) throw std::invalid_argument("float32 or float64");
  }

  template <class Pointer>
  void bind(const char* name, Pointer Call::*field, const Maybe& view, const Ints& shape) {
    if (!view) return;
    const bool truths = std::is_same_v<Pointer, const bool*>;
    if (view->shape != shape || view->dtype != (truths ? Dtype::boolean : sizes_.dtype) || !is_packed(*view)) {
      throw std::invalid_argument(std::string(name) + " has another shape or dtype, or is not C-contiguous");
    }
    operands_.push_back({field, *view});
  }

  void run(Slots slots) const override {
    Call call{};
    static_cast<SequenceShape&>(call) = sizes_;
    for (const Operand& operand : operands_) {
      char* memory = address(operand.view, slots);
      std::visit([&](auto field) { call.*field = reinterpret_cast<std::decay_t<decltype(call.*field)>>(memory); },
                 operand.field);
    }
    kernel_(call);
  }

 private:
  struct Operand {
    std::variant<const void* Call::*, void* Call::*, const bool* Call::*> field;
    View view;
  };
  void (*kernel_)(const Call&);
  SequenceShape sizes_;
  std::vector<Operand> operands_;
};

std::shared_ptr<Step> lstm_step(const View& x, const View& h0, const View& c0, const View& kernel,
                                const View& recurrent, const Maybe& bias, const Maybe& mask, const Maybe& outputs,
                                const View& h, const View& c, const Maybe& gates, const Maybe& cells,
                                const Maybe& before, bool reverse) {
  const Shapes shapes(x, recurrent, 4);
  auto step = std::make_shared<SequenceStep<LstmCall>>(kernels().recurrent.lstm, x, recurrent, reverse);
  step->bind("x", &LstmCall::x, x, shapes.x);
  step->bind("h0", &LstmCall::h0, h0, shapes.state);
  step->bind("c0", &LstmCall::c0, c0, shapes.state);
  step->bind("kernel", &LstmCall::kernel, kernel, shapes.kernel);
  step->bind("recurrent", &LstmCall::recurrent, recurrent, shapes.recurrent);
  step->bind("bias", &LstmCall::bias, bias, shapes.bias);
  step->bind("mask", &LstmCall::mask, mask, shapes.mask);
  step->bind("outputs", &LstmCall::outputs, outputs, shapes.sequence);
  step->bind("h", &LstmCall::h, h, shapes.state);
  step->bind("c", &LstmCall::c, c, shapes.state);
  step->bind("gates", &LstmCall::gates, gates, shapes.gates);
  step->bind("cells", &LstmCall::cells, cells, shapes.sequence);
  step->bind("before", &LstmCall::before, before, shapes.sequence);
  return step;
}

std::shared_ptr<Step> lstm_grad_step(const Maybe& outputs_grad, const Maybe& h_grad, const Maybe& c_grad,
                                     const View& x, const View& c0, const View& kernel, const View& recurrent,
                                     const Maybe& mask, const View& gates, const View& cells, const View& before,
                                     const Maybe& x_grad, const View& h0_grad, const View& c0_grad,
                                     const View& kernel_grad, const View& recurrent_grad, const Maybe& bias_grad,
                                     bool reverse) {
  const Shapes shapes(x, recurrent, 4);
  auto step = std::make_shared<SequenceStep<LstmGradCall>>(kernels().recurrent.lstm_grad, x, recurrent, reverse);
  step->bind("x", &LstmGradCall::x, x, shapes.x);
  step->bind("c0", &LstmGradCall::c0, c0, shapes.state);
  step->bind("kernel", &LstmGradCall::kernel, kernel, shapes.kernel);
  step->bind("recurrent", &LstmGradCall::recurrent, recurrent, shapes.recurrent);
  step->bind("mask", &LstmGradCall::mask, mask, shapes.mask);
  step->bind("gates", &LstmGradCall::gates, gates, shapes.gates);
  step->bind("cells", &LstmGradCall::cells, cells, shapes.sequence);
  step->bind("before", &LstmGradCall::before, before, shapes.sequence);
  step->bind("outputs_grad", &LstmGradCall::outputs_grad, outputs_grad, shapes.sequence);
  step->bind("h_grad", &LstmGradCall::h_grad, h_grad, shapes.state);
  step->bind("c_grad", &LstmGradCall::c_grad, c_grad, shapes.state);
  step->bind("x_grad", &LstmGradCall::x_grad, x_grad, shapes.x);
  step->bind("h0_grad", &LstmGradCall::h0_grad, h0_grad, shapes.state);
  step->bind("c0_grad", &LstmGradCall::c0_grad, c0_grad, shapes.state);
  step->bind("kernel_grad", &LstmGradCall::kernel_grad, kernel_grad, shapes.kernel);
  step->bind("recurrent_grad", &LstmGradCall::recurrent_grad, recurrent_grad, shapes.recurrent);
  step->bind("bias_grad", &LstmGradCall::bias_grad, bias_grad, shapes.bias);
  return step;
}

std::shared_ptr<Step> gru_step(const View& x, const View& h0, const View& kernel, const View& recurrent,
                               const Maybe& bias, const Maybe& mask, const Maybe& outputs, const View& h,
                               const Maybe& gates, const Maybe& before, bool reverse) {
  const Shapes shapes(x, recurrent, 3);
  auto step = std::make_shared<SequenceStep<GruCall>>(kernels().recurrent.gru, x, recurrent, reverse);
  step->bind("x", &GruCall::x, x, shapes.x);
  step->bind("h0", &GruCall::h0, h0, shapes.state);
  step->bind("kernel", &GruCall::kernel, kernel, shapes.kernel);
  step->bind("recurrent", &GruCall::recurrent, recurrent, shapes.recurrent);
  step->bind("bias", &GruCall::bias, bias, shapes.bias);
  step->bind("mask", &GruCall::mask, mask, shapes.mask);
  step->bind("outputs", &GruCall::outputs, outputs, shapes.sequence);
  step->bind("h", &GruCall::h, h, shapes.state);
  step->bind("gates", &GruCall::gates, gates, shapes.gates);
  step->bind("before", &GruCall::before, before, shapes.sequence);
  return step;
}

std::shared_ptr<Step> gru_grad_step(const Maybe& outputs_grad, const Maybe& h_grad, const View& x, const View& kernel,
                                    const View& recurrent, const Maybe& mask, const View& gates, const View& before,
                                    const Maybe& x_grad, const View& h0_grad, const View& kernel_grad,
                                    const View& recurrent_grad, const Maybe& bias_grad, bool reverse) {
  const Shapes shapes(x, recurrent, 3);
  auto step = std::make_shared<SequenceStep<GruGradCall>>(kernels().recurrent.gru_grad, x, recurrent, reverse);
  step->bind("x", &GruGradCall::x, x, shapes.x);
  step->bind("kernel", &GruGradCall::kernel, kernel, shapes.kernel);
  step->bind("recurrent", &GruGradCall::recurrent, recurrent, shapes.recurrent);
  step->bind("mask", &GruGradCall::mask, mask, shapes.mask);
  step->bind("gates", &GruGradCall::gates, gates, shapes.gates);
  step->bind("before", &GruGradCall::before, before, shapes.sequence);
  step->bind("outputs_grad", &GruGradCall::outputs_grad, outputs_grad, shapes.sequence);
  step->bind("h_grad", &GruGradCall::h_grad, h_grad, shapes.state);
  step->bind("x_grad", &GruGradCall::x_grad, x_grad, shapes.x);
  step->bind("h0_grad", &GruGradCall::h0_grad, h0_grad, shapes.state);
  step->bind("kernel_grad", &GruGradCall::kernel_grad, kernel_grad, shapes.kernel);
  step->bind("recurrent_grad", &GruGradCall::recurrent_grad, recurrent_grad, shapes.recurrent);
  step->bind("bias_grad", &GruGradCall::bias_grad, bias_grad, shapes.bias);
  return step;
}

}  // namespace

void bind_recurrent(nb::module_& m) {
  m.def("lstm_step", &lstm_step, "x"_a, "h0"_a, "c0"_a, "kernel"_a, "recurrent"_a, "bias"_a.none(), "mask"_a.none(),
        "outputs"_a.none(), "h"_a, "c"_a, "gates"_a.none(), "cells"_a.none(), "before"_a.none(), "reverse"_a,
        "The primitive lstm_sequence. x (B, T, C), h0 and c0 (B, U), kernel (C, 4U), recurrent (U, 4U), bias (4U,) or "
        "None, mask bool (B, T) or None -> outputs (B, T, U) or None, h and c (B, U), and, for lstm_grad_step, gates "
        "(B, T, 4U), cells and before (B, T, U), or None. float32 or float64, all C-contiguous, no result overlaps an "
        "operand.");
  m.def("lstm_grad_step", &lstm_grad_step, "outputs_grad"_a.none(), "h_grad"_a.none(), "c_grad"_a.none(), "x"_a, "c0"_a,
        "kernel"_a, "recurrent"_a, "mask"_a.none(), "gates"_a, "cells"_a, "before"_a, "x_grad"_a.none(),
        "h0_grad"_a, "c0_grad"_a, "kernel_grad"_a, "recurrent_grad"_a, "bias_grad"_a.none(), "reverse"_a,
        "Gradients of lstm_step: absent cotangents (None) are zero, x_grad and bias_grad may be unwanted (None). All "
        "C-contiguous, no result overlaps an operand.");
  m.def("gru_step", &gru_step, "x"_a, "h0"_a, "kernel"_a, "recurrent"_a, "bias"_a.none(), "mask"_a.none(),
        "outputs"_a.none(), "h"_a, "gates"_a.none(), "before"_a.none(), "reverse"_a,
        "The primitive gru_sequence. x (B, T, C), h0 (B, U), kernel (C, 3U), recurrent (U, 3U), bias (2, 3U) or None, "
        "mask bool (B, T) or None -> outputs (B, T, U) or None, h (B, U), and, for gru_grad_step, gates (B, T, 4U) and "
        "before (B, T, U), or None. float32 or float64, all C-contiguous, no result overlaps an operand.");
  m.def("gru_grad_step", &gru_grad_step, "outputs_grad"_a.none(), "h_grad"_a.none(), "x"_a, "kernel"_a, "recurrent"_a,
        "mask"_a.none(), "gates"_a, "before"_a, "x_grad"_a.none(), "h0_grad"_a, "kernel_grad"_a, "recurrent_grad"_a,
        "bias_grad"_a.none(), "reverse"_a,
        "Gradients of gru_step: absent cotangents (None) are zero, x_grad and bias_grad may be unwanted (None). All "
        "C-contiguous, no result overlaps an operand.");
}

}  // namespace kerasish
