// Steps along the lines of an array: running sums, places of extremes, sorting.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <limits>
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

using Maybe = std::optional<View>;
using Kernel = void (*)(const LineCall&);

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

class LineStep final : public Step {
 public:
  // `length`: elements of a line of the results.
  LineStep(View x, Maybe values, Maybe positions, int axis, std::int64_t length, Kernel kernel)
      : x_(std::move(x)), values_(std::move(values)), positions_(std::move(positions)), kernel_(kernel) {
    require(axis >= 0 && static_cast<std::size_t>(axis) < x_.shape.size(), "there is no such axis");
    require(is_packed(x_) && (!values_ || is_packed(*values_)) && (!positions_ || is_packed(*positions_)),
            "lines need C-contiguous arrays");
    call_.dtype = x_.dtype;
    call_.outer = call_.inner = 1;
    const auto at = static_cast<std::size_t>(axis);
    for (std::size_t i = 0; i < x_.shape.size(); ++i) (i < at ? call_.outer : call_.inner) *= i == at ? 1 : x_.shape[i];
    call_.n = x_.shape[at];
    call_.k = length;
    require(call_.n <= std::numeric_limits<std::int32_t>::max(), "a line has more than 2**31 - 1 elements");
    const std::int64_t size = call_.outer * length * call_.inner;
    require(!values_ || (values_->size() == size && values_->dtype == x_.dtype), "the values have another size or dtype");
    require(!positions_ || (positions_->size() == size && positions_->dtype == Dtype::int32),
            "positions are int32, one for each value");
  }

  void run(Slots slots) const override {
    LineCall call = call_;
    call.x = address(x_, slots);
    call.values = values_ ? address(*values_, slots) : nullptr;
    call.positions = positions_ ? reinterpret_cast<std::int32_t*>(address(*positions_, slots)) : nullptr;
    kernel_(call);
  }

 private:
  View x_;
  Maybe values_, positions_;
  Kernel kernel_;
  LineCall call_{};
};

std::int64_t length_of(const View& x, int axis) {
  require(axis >= 0 && static_cast<std::size_t>(axis) < x.shape.size(), "there is no such axis");
  return x.shape[static_cast<std::size_t>(axis)];
}

std::shared_ptr<Step> extreme_step(const View& x, const View& out, int axis, bool largest) {
  require(length_of(x, axis) > 0, "an empty line has no extreme");
  const OrderingKernels& table = kernels().ordering;
  return std::make_shared<LineStep>(x, std::nullopt, out, axis, 1, largest ? table.argmax : table.argmin);
}

std::shared_ptr<Step> running_step(const View& x, const View& out, int axis, const std::string& kind) {
  require(kind == "sum" || kind == "prod", "running_step: kind is 'sum' or 'prod'");
  const OrderingKernels& table = kernels().ordering;
  return std::make_shared<LineStep>(x, out, std::nullopt, axis, length_of(x, axis),
                                    kind == "sum" ? table.cumsum : table.cumprod);
}

std::shared_ptr<Step> sort_step(const View& x, const Maybe& values, const Maybe& positions, int axis) {
  return std::make_shared<LineStep>(x, values, positions, axis, length_of(x, axis), kernels().ordering.sort);
}

std::shared_ptr<Step> top_k_step(const View& x, const View& values, const View& positions, int k) {
  const int last = static_cast<int>(x.shape.size()) - 1;
  require(k >= 0 && k <= length_of(x, last), "top_k_step: k exceeds the last axis");
  return std::make_shared<LineStep>(x, values, positions, last, k, kernels().ordering.top_k);
}

}  // namespace

void bind_ordering(nb::module_& m) {
  m.def("extreme_step", &extreme_step, "x"_a, "out"_a, "axis"_a, "largest"_a,
        "out int32 = argmax (or argmin) of x along an axis: the first of equals, the first NaN if there is one; with or "
        "without the axis. C-contiguous.");
  m.def("running_step", &running_step, "x"_a, "out"_a, "axis"_a, "kind"_a,
        "out = cumsum ('sum') or cumprod ('prod') of x along an axis, in x's dtype; sums of 16-bit floats are kept in "
        "float32. C-contiguous; out may be x's memory.");
  m.def("sort_step", &sort_step, "x"_a, "values"_a.none(), "positions"_a.none(), "axis"_a,
        "x sorted ascending along an axis (stable, NaN last), and the int32 positions that sort it; either may be None. "
        "C-contiguous; the results overlap nothing.");
  m.def("top_k_step", &top_k_step, "x"_a, "values"_a, "positions"_a, "k"_a,
        "The k largest of the last axis, descending (NaN first, of equals the lower index), and their int32 positions. "
        "C-contiguous; the results overlap nothing.");
}

}  // namespace kerasish
