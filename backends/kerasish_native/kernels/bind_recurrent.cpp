// Steps of whole sequences: LSTM and GRU, forward and backward.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>

#include <optional>
#include <stdexcept>
#include <string>

#include "bind.hpp"
#include "kernel_table.hpp"
#include "plan/program.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace kerasish {
namespace {

using Ints = std::vector<std::int64_t>;
using Maybe = std::optional<View>;

// Checks operands against the sizes that x (B, T, C) and the recurrent kernel (U, gates U) give.
class Sizes {
 public:
  Sizes(const View& x, const View& recurrent, std::int64_t gates, bool reverse) : gates_(gates) {
    if (x.shape.size() != 3 || recurrent.shape.size() != 2) throw std::invalid_argument("x (B, T, C), recurrent (U, n U)");
    if (x.dtype != Dtype::float32 && x.dtype != Dtype::float64) throw std::invalid_argument("float32 or float64");
    shape = {x.dtype, x.shape[0], x.shape[1], x.shape[2], recurrent.shape[0], reverse};
    check(x, {b(), t(), c()}, "x");
    check(recurrent, {u(), gates * u()}, "recurrent");
  }

  std::int64_t b() const { return shape.batch; }
  std::int64_t t() const { return shape.time; }
  std::int64_t c() const { return shape.channels; }
  std::int64_t u() const { return shape.units; }

  void check(const View& view, const Ints& wanted, const char* name) const {
    if (view.shape == wanted && view.dtype == shape.dtype && is_packed(view)) return;
    throw std::invalid_argument(std::string(name) + " has another shape or dtype, or is not C-contiguous");
  }
  void check(const Maybe& view, const Ints& wanted, const char* name) const {
    if (view) check(*view, wanted, name);
  }
  void state(const View& view, const char* name) const { check(view, {b(), u()}, name); }
  void state(const Maybe& view, const char* name) const { check(view, {b(), u()}, name); }
  void kernel(const View& view, const char* name) const { check(view, {c(), gates_ * u()}, name); }
  void recurrent(const View& view, const char* name) const { check(view, {u(), gates_ * u()}, name); }
  template <class Some>
  void bias(const Some& view, const char* name) const {
    check(view, gates_ == 3 ? Ints{2, 3 * u()} : Ints{4 * u()}, name);
  }
  template <class Some>
  void sequence(const Some& view, const char* name, std::int64_t rows = 1) const {
    check(view, {b(), t(), rows * u()}, name);
  }
  void mask(const Maybe& view) const {
    if (!view || (view->shape == Ints{b(), t()} && view->dtype == Dtype::boolean && is_packed(*view))) return;
    throw std::invalid_argument("mask is bool (B, T), C-contiguous");
  }

  SequenceShape shape;

 private:
  std::int64_t gates_;
};

char* place(const View& view, Slots slots) { return address(view, slots); }
char* place(const Maybe& view, Slots slots) { return view ? address(*view, slots) : nullptr; }
const bool* truths(const Maybe& view, Slots slots) { return reinterpret_cast<const bool*>(place(view, slots)); }

class LstmStep final : public Step {
 public:
  LstmStep(View x, View h0, View c0, View kernel, View recurrent, Maybe bias, Maybe mask, Maybe outputs, View h, View c,
           Maybe gates, Maybe cells, Maybe before, bool reverse)
      : sizes_(x, recurrent, 4, reverse), x_(x), h0_(h0), c0_(c0), kernel_(kernel), recurrent_(recurrent), bias_(bias),
        mask_(mask), outputs_(outputs), h_(h), c_(c), gates_(gates), cells_(cells), before_(before) {
    sizes_.state(h0, "h0");
    sizes_.state(c0, "c0");
    sizes_.kernel(kernel, "kernel");
    sizes_.bias(bias, "bias");
    sizes_.mask(mask);
    sizes_.sequence(outputs, "outputs");
    sizes_.state(h, "h");
    sizes_.state(c, "c");
    sizes_.sequence(gates, "gates", 4);
    sizes_.sequence(cells, "cells");
    sizes_.sequence(before, "before");
  }

  void run(Slots slots) const override {
    LstmCall call{};
    static_cast<SequenceShape&>(call) = sizes_.shape;
    call.x = place(x_, slots);
    call.h0 = place(h0_, slots);
    call.c0 = place(c0_, slots);
    call.kernel = place(kernel_, slots);
    call.recurrent = place(recurrent_, slots);
    call.bias = place(bias_, slots);
    call.mask = truths(mask_, slots);
    call.outputs = place(outputs_, slots);
    call.h = place(h_, slots);
    call.c = place(c_, slots);
    call.gates = place(gates_, slots);
    call.cells = place(cells_, slots);
    call.before = place(before_, slots);
    kernels().recurrent.lstm(call);
  }

 private:
  Sizes sizes_;
  View x_, h0_, c0_, kernel_, recurrent_;
  Maybe bias_, mask_, outputs_;
  View h_, c_;
  Maybe gates_, cells_, before_;
};

class LstmGradStep final : public Step {
 public:
  LstmGradStep(Maybe outputs_grad, Maybe h_grad, Maybe c_grad, View x, View c0, View kernel, View recurrent, Maybe mask,
               View gates, View cells, View before, Maybe x_grad, View h0_grad, View c0_grad, View kernel_grad,
               View recurrent_grad, Maybe bias_grad, bool reverse)
      : sizes_(x, recurrent, 4, reverse), outputs_grad_(outputs_grad), h_grad_(h_grad), c_grad_(c_grad), x_(x), c0_(c0),
        kernel_(kernel), recurrent_(recurrent), mask_(mask), gates_(gates), cells_(cells), before_(before),
        x_grad_(x_grad), h0_grad_(h0_grad), c0_grad_(c0_grad), kernel_grad_(kernel_grad),
        recurrent_grad_(recurrent_grad), bias_grad_(bias_grad) {
    sizes_.sequence(outputs_grad, "outputs_grad");
    sizes_.state(h_grad, "h_grad");
    sizes_.state(c_grad, "c_grad");
    sizes_.state(c0, "c0");
    sizes_.kernel(kernel, "kernel");
    sizes_.mask(mask);
    sizes_.sequence(gates, "gates", 4);
    sizes_.sequence(cells, "cells");
    sizes_.sequence(before, "before");
    sizes_.check(x_grad, x.shape, "x_grad");
    sizes_.state(h0_grad, "h0_grad");
    sizes_.state(c0_grad, "c0_grad");
    sizes_.kernel(kernel_grad, "kernel_grad");
    sizes_.recurrent(recurrent_grad, "recurrent_grad");
    sizes_.bias(bias_grad, "bias_grad");
  }

  void run(Slots slots) const override {
    LstmGradCall call{};
    static_cast<SequenceShape&>(call) = sizes_.shape;
    call.x = place(x_, slots);
    call.c0 = place(c0_, slots);
    call.kernel = place(kernel_, slots);
    call.recurrent = place(recurrent_, slots);
    call.mask = truths(mask_, slots);
    call.gates = place(gates_, slots);
    call.cells = place(cells_, slots);
    call.before = place(before_, slots);
    call.outputs_grad = place(outputs_grad_, slots);
    call.h_grad = place(h_grad_, slots);
    call.c_grad = place(c_grad_, slots);
    call.x_grad = place(x_grad_, slots);
    call.h0_grad = place(h0_grad_, slots);
    call.c0_grad = place(c0_grad_, slots);
    call.kernel_grad = place(kernel_grad_, slots);
    call.recurrent_grad = place(recurrent_grad_, slots);
    call.bias_grad = place(bias_grad_, slots);
    kernels().recurrent.lstm_grad(call);
  }

 private:
  Sizes sizes_;
  Maybe outputs_grad_, h_grad_, c_grad_;
  View x_, c0_, kernel_, recurrent_;
  Maybe mask_;
  View gates_, cells_, before_;
  Maybe x_grad_;
  View h0_grad_, c0_grad_, kernel_grad_, recurrent_grad_;
  Maybe bias_grad_;
};

class GruStep final : public Step {
 public:
  GruStep(View x, View h0, View kernel, View recurrent, Maybe bias, Maybe mask, Maybe outputs, View h, Maybe gates,
          Maybe before, bool reverse)
      : sizes_(x, recurrent, 3, reverse), x_(x), h0_(h0), kernel_(kernel), recurrent_(recurrent), bias_(bias),
        mask_(mask), outputs_(outputs), h_(h), gates_(gates), before_(before) {
    sizes_.state(h0, "h0");
    sizes_.kernel(kernel, "kernel");
    sizes_.bias(bias, "bias");
    sizes_.mask(mask);
    sizes_.sequence(outputs, "outputs");
    sizes_.state(h, "h");
    sizes_.sequence(gates, "gates", 4);
    sizes_.sequence(before, "before");
  }

  void run(Slots slots) const override {
    GruCall call{};
    static_cast<SequenceShape&>(call) = sizes_.shape;
    call.x = place(x_, slots);
    call.h0 = place(h0_, slots);
    call.kernel = place(kernel_, slots);
    call.recurrent = place(recurrent_, slots);
    call.bias = place(bias_, slots);
    call.mask = truths(mask_, slots);
    call.outputs = place(outputs_, slots);
    call.h = place(h_, slots);
    call.gates = place(gates_, slots);
    call.before = place(before_, slots);
    kernels().recurrent.gru(call);
  }

 private:
  Sizes sizes_;
  View x_, h0_, kernel_, recurrent_;
  Maybe bias_, mask_, outputs_;
  View h_;
  Maybe gates_, before_;
};

class GruGradStep final : public Step {
 public:
  GruGradStep(Maybe outputs_grad, Maybe h_grad, View x, View kernel, View recurrent, Maybe mask, View gates, View before,
              Maybe x_grad, View h0_grad, View kernel_grad, View recurrent_grad, Maybe bias_grad, bool reverse)
      : sizes_(x, recurrent, 3, reverse), outputs_grad_(outputs_grad), h_grad_(h_grad), x_(x), kernel_(kernel),
        recurrent_(recurrent), mask_(mask), gates_(gates), before_(before), x_grad_(x_grad), h0_grad_(h0_grad),
        kernel_grad_(kernel_grad), recurrent_grad_(recurrent_grad), bias_grad_(bias_grad) {
    sizes_.sequence(outputs_grad, "outputs_grad");
    sizes_.state(h_grad, "h_grad");
    sizes_.kernel(kernel, "kernel");
    sizes_.mask(mask);
    sizes_.sequence(gates, "gates", 4);
    sizes_.sequence(before, "before");
    sizes_.check(x_grad, x.shape, "x_grad");
    sizes_.state(h0_grad, "h0_grad");
    sizes_.kernel(kernel_grad, "kernel_grad");
    sizes_.recurrent(recurrent_grad, "recurrent_grad");
    sizes_.bias(bias_grad, "bias_grad");
  }

  void run(Slots slots) const override {
    GruGradCall call{};
    static_cast<SequenceShape&>(call) = sizes_.shape;
    call.x = place(x_, slots);
    call.kernel = place(kernel_, slots);
    call.recurrent = place(recurrent_, slots);
    call.mask = truths(mask_, slots);
    call.gates = place(gates_, slots);
    call.before = place(before_, slots);
    call.outputs_grad = place(outputs_grad_, slots);
    call.h_grad = place(h_grad_, slots);
    call.x_grad = place(x_grad_, slots);
    call.h0_grad = place(h0_grad_, slots);
    call.kernel_grad = place(kernel_grad_, slots);
    call.recurrent_grad = place(recurrent_grad_, slots);
    call.bias_grad = place(bias_grad_, slots);
    kernels().recurrent.gru_grad(call);
  }

 private:
  Sizes sizes_;
  Maybe outputs_grad_, h_grad_;
  View x_, kernel_, recurrent_;
  Maybe mask_;
  View gates_, before_;
  Maybe x_grad_;
  View h0_grad_, kernel_grad_, recurrent_grad_;
  Maybe bias_grad_;
};

template <class Kind, class... Arguments>
std::shared_ptr<Step> make(Arguments... arguments) {
  return std::make_shared<Kind>(arguments...);
}

}  // namespace

void bind_recurrent(nb::module_& m) {
  m.def("lstm_step",
        &make<LstmStep, View, View, View, View, View, Maybe, Maybe, Maybe, View, View, Maybe, Maybe, Maybe, bool>, "x"_a,
        "h0"_a, "c0"_a, "kernel"_a, "recurrent"_a, "bias"_a.none(), "mask"_a.none(), "outputs"_a.none(), "h"_a, "c"_a,
        "gates"_a.none(), "cells"_a.none(), "before"_a.none(), "reverse"_a,
        "The primitive lstm_sequence. x (B, T, C), h0 and c0 (B, U), kernel (C, 4U), recurrent (U, 4U), bias (4U,) or "
        "None, mask bool (B, T) or None -> outputs (B, T, U) or None, h and c (B, U), and, for lstm_grad_step, gates "
        "(B, T, 4U), cells and before (B, T, U), or None. float32 or float64, all C-contiguous, no result overlaps an "
        "operand.");
  m.def("lstm_grad_step",
        &make<LstmGradStep, Maybe, Maybe, Maybe, View, View, View, View, Maybe, View, View, View, Maybe, View, View, View,
              View, Maybe, bool>,
        "outputs_grad"_a.none(), "h_grad"_a.none(), "c_grad"_a.none(), "x"_a, "c0"_a, "kernel"_a, "recurrent"_a,
        "mask"_a.none(), "gates"_a, "cells"_a, "before"_a, "x_grad"_a.none(), "h0_grad"_a, "c0_grad"_a, "kernel_grad"_a,
        "recurrent_grad"_a, "bias_grad"_a.none(), "reverse"_a,
        "Gradients of lstm_step: absent cotangents (None) are zero, x_grad and bias_grad may be unwanted (None). All "
        "C-contiguous, no result overlaps an operand.");
  m.def("gru_step", &make<GruStep, View, View, View, View, Maybe, Maybe, Maybe, View, Maybe, Maybe, bool>, "x"_a, "h0"_a,
        "kernel"_a, "recurrent"_a, "bias"_a.none(), "mask"_a.none(), "outputs"_a.none(), "h"_a, "gates"_a.none(),
        "before"_a.none(), "reverse"_a,
        "The primitive gru_sequence. x (B, T, C), h0 (B, U), kernel (C, 3U), recurrent (U, 3U), bias (2, 3U) or None, "
        "mask bool (B, T) or None -> outputs (B, T, U) or None, h (B, U), and, for gru_grad_step, gates (B, T, 4U) and "
        "before (B, T, U), or None. float32 or float64, all C-contiguous, no result overlaps an operand.");
  m.def("gru_grad_step",
        &make<GruGradStep, Maybe, Maybe, View, View, View, Maybe, View, View, Maybe, View, View, View, Maybe, bool>,
        "outputs_grad"_a.none(), "h_grad"_a.none(), "x"_a, "kernel"_a, "recurrent"_a, "mask"_a.none(), "gates"_a,
        "before"_a, "x_grad"_a.none(), "h0_grad"_a, "kernel_grad"_a, "recurrent_grad"_a, "bias_grad"_a.none(),
        "reverse"_a,
        "Gradients of gru_step: absent cotangents (None) are zero, x_grad and bias_grad may be unwanted (None). All "
        "C-contiguous, no result overlaps an operand.");
}

}  // namespace kerasish
