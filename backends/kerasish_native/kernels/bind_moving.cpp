// Steps that copy: between layouts, side by side, into a frame.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <stdexcept>

#include "bind.hpp"
#include "kernel_table.hpp"
#include "plan/moves.hpp"
#include "plan/program.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace kerasish {
namespace {

// Copies, one after the other; the source of each is a view, or the step's own value spread out.
class CopyStep final : public Step {
 public:
  CopyStep() = default;
  // What to write where nothing is copied: the bytes of an element.
  CopyStep(const char* value, std::size_t bytes) { std::memcpy(value_, value, bytes); }

  void copy(const View& from, const View& to) { add(from, to, true); }
  void fill(const View& to) {
    View from = to;
    from.slot = own_value;
    from.offset = 0;
    from.strides.assign(to.shape.size(), 0);
    add(from, to, false);
  }

  void run(Slots slots) const override {
    for (const Move& move : moves_) {
      CopyCall call = move.call;
      call.from = move.from.slot == own_value ? value_ : address(move.from, slots);
      call.to = address(move.to, slots);
      kernels().moving.copy(call);
    }
  }

 private:
  static constexpr int own_value = -1;
  struct Move {
    View from, to;
    CopyCall call;
  };

  void add(const View& from, const View& to, bool is_checked) {
    if (is_checked) require_same(from, to);
    Walk walk{to.shape, {from.strides, to.strides}};
    if (walk.is_empty()) return;
    walk.sort_by(1);
    walk.merge();
    moves_.push_back({from, to, copy_call(walk, to.dtype)});
  }

  std::vector<Move> moves_;
  alignas(8) char value_[8] = {};
};

// The part [begin, begin + size) of an axis.
View part(const View& view, std::size_t axis, std::int64_t begin, std::int64_t size) {
  View found = view;
  found.shape[axis] = size;
  found.offset += begin * view.strides[axis];
  return found;
}

std::shared_ptr<Step> copy_step(const View& x, const View& out) {
  auto step = std::make_shared<CopyStep>();
  step->copy(x, out);
  return step;
}

std::shared_ptr<Step> concatenate_step(const std::vector<View>& xs, const View& out, int axis) {
  const auto at = static_cast<std::size_t>(axis);
  if (axis < 0 || at >= out.shape.size()) throw std::invalid_argument("concatenate_step: no such axis");
  auto step = std::make_shared<CopyStep>();
  std::int64_t begin = 0;
  for (const View& x : xs) {
    if (x.shape.size() != out.shape.size() || begin + x.shape[at] > out.shape[at]) {
      throw std::invalid_argument("concatenate_step: the operands do not fill the result");
    }
    step->copy(x, part(out, at, begin, x.shape[at]));
    begin += x.shape[at];
  }
  if (begin != out.shape[at]) throw std::invalid_argument("concatenate_step: the operands do not fill the result");
  return step;
}

// The frame is filled slab by slab, outermost axis first, so that nothing is written twice.
std::shared_ptr<Step> pad_step(const View& x, const View& out, const std::vector<std::int64_t>& before, nb::bytes value) {
  if (before.size() != out.shape.size() || x.shape.size() != out.shape.size()) {
    throw std::invalid_argument("pad_step: x, out and before need one rank");
  }
  if (value.size() != item_size(out.dtype)) throw std::invalid_argument("pad_step: value is one element's bytes");
  auto step = std::make_shared<CopyStep>(value.c_str(), value.size());
  View inner = out;
  for (std::size_t axis = 0; axis < before.size(); ++axis) {
    const std::int64_t low = before[axis], size = x.shape[axis], high = out.shape[axis] - low - size;
    if (low < 0 || high < 0) throw std::invalid_argument("pad_step: x does not lie inside the result");
    if (low > 0) step->fill(part(inner, axis, 0, low));
    if (high > 0) step->fill(part(inner, axis, low + size, high));
    inner = part(inner, axis, low, size);
  }
  step->copy(x, inner);
  return step;
}

}  // namespace

void bind_moving(nb::module_& m) {
  m.def("copy_step", &copy_step, "x"_a, "out"_a,
        "out[...] = x[...] for views of one shape and item size, of any strides (transposed, broadcast, reversed); x may "
        "not overlap out.");
  m.def("concatenate_step", &concatenate_step, "xs"_a, "out"_a, "axis"_a,
        "Views of any strides side by side along an axis of out.");
  m.def("pad_step", &pad_step, "x"_a, "out"_a, "before"_a, "value"_a,
        "out filled with one value (an element's bytes), but for x at the offsets `before`; nothing is written twice.");
}

}  // namespace kerasish
