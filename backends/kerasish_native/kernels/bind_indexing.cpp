// Steps that read and write at places which int32 tensors name. Places outside an axis are moved to its nearest end: no
// memory but the operands' is ever touched.
#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>

#include "bind.hpp"
#include "kernel_table.hpp"
#include "plan/moves.hpp"
#include "plan/program.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace kerasish {
namespace {

using Ints = std::vector<std::int64_t>;

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

// Places that one int32 view gives: its strides along the walk, and the axis of the tensor that they move along.
struct Index {
  View view;
  Ints strides;  // along the walk
  std::int64_t size, step;
};

// The walk over both sides and all indices, with short axes merged, as a kernel's call.
struct IndexedWalk {
  IndexedWalk(const Ints& shape, const Ints& from, const Ints& to, const std::vector<Index>& indices, Dtype dtype,
              bool is_ordered) {
    Walk walk{shape, {from, to}};
    for (const Index& index : indices) {
      require(index.view.dtype == Dtype::int32, "indices must be int32");
      require(index.size > 0 || walk.is_empty(), "an axis without elements has no places");
      walk.strides.push_back(index.strides);
    }
    is_empty = walk.is_empty();
    if (is_empty) return;
    if (!is_ordered) walk.sort_by(1);
    walk.merge();
    call = copy_call(walk, dtype, max_axes - 1);  // the kernel may add one
    require(indices.size() <= max_axes, "too many indices");
    places.count = static_cast<int>(indices.size());
    for (std::size_t i = 0; i < indices.size(); ++i) {
      for (std::size_t axis = 0; axis < walk.shape.size(); ++axis) places.strides[i][axis] = walk.strides[2 + i][axis];
      places.size[i] = indices[i].size;
      places.step[i] = indices[i].step;
      views.push_back(indices[i].view);
    }
  }

  Places bound(Slots slots) const {
    Places found = places;
    for (std::size_t i = 0; i < views.size(); ++i) {
      found.data[i] = reinterpret_cast<const std::int32_t*>(address(views[i], slots));
    }
    return found;
  }

  bool is_empty = false;
  CopyCall call{};
  Places places{};
  std::vector<View> views;
};

class GatherStep final : public Step {
 public:
  GatherStep(View from, View to, IndexedWalk walk) : from_(std::move(from)), to_(std::move(to)), walk_(std::move(walk)) {}
  void run(Slots slots) const override {
    if (walk_.is_empty) return;
    GatherCall call{walk_.call, walk_.bound(slots)};
    call.walk.from = address(from_, slots);
    call.walk.to = address(to_, slots);
    kernels().moving.gather(call);
  }

 private:
  View from_, to_;
  IndexedWalk walk_;
};

// Copies x to the result, unless they are the same memory, and writes the updates into it.
class ScatterStep final : public Step {
 public:
  ScatterStep(View x, View updates, View out, IndexedWalk walk, Scatter mode)
      : x_(std::move(x)), updates_(std::move(updates)), out_(std::move(out)), walk_(std::move(walk)), mode_(mode) {
    require_same(x_, out_);
    is_in_place_ = x_.slot == out_.slot && x_.offset == out_.offset && x_.strides == out_.strides;
    Walk copy{out_.shape, {x_.strides, out_.strides}};
    if (copy.is_empty()) {
      is_in_place_ = true;
      return;
    }
    copy.sort_by(1);
    copy.merge();
    copy_ = copy_call(copy, out_.dtype);
  }

  void run(Slots slots) const override {
    if (!is_in_place_) {
      CopyCall copy = copy_;
      copy.from = address(x_, slots);
      copy.to = address(out_, slots);
      kernels().moving.copy(copy);
    }
    if (walk_.is_empty || out_.size() == 0) return;
    ScatterCall call{walk_.call, walk_.bound(slots), mode_, out_.dtype, out_.size()};
    call.walk.from = address(updates_, slots);
    call.walk.to = address(out_, slots);
    kernels().moving.scatter(call);
  }

 private:
  View x_, updates_, out_;
  IndexedWalk walk_;
  Scatter mode_;
  CopyCall copy_{};
  bool is_in_place_ = false;
};

// -- take --------------------------------------------------------------------------------------------------------------
std::shared_ptr<Step> take_step(const View& x, const View& indices, const View& out, int axis) {
  const auto at = static_cast<std::size_t>(axis), k = indices.shape.size();
  require(axis >= 0 && at < x.shape.size() && out.shape.size() + 1 == x.shape.size() + k, "take_step: ranks do not fit");
  Ints shape(x.shape.begin(), x.shape.begin() + axis), from(x.strides.begin(), x.strides.begin() + axis);
  Index index{indices, Ints(at, 0), x.shape[at], x.strides[at]};
  for (std::size_t i = 0; i < k; ++i) {
    shape.push_back(indices.shape[i]);
    from.push_back(0);
    index.strides.push_back(indices.strides[i]);
  }
  for (std::size_t i = at + 1; i < x.shape.size(); ++i) {
    shape.push_back(x.shape[i]);
    from.push_back(x.strides[i]);
    index.strides.push_back(0);
  }
  require(shape == out.shape && x.dtype == out.dtype, "take_step: the result has another shape or dtype");
  return std::make_shared<GatherStep>(x, out, IndexedWalk(shape, from, out.strides, {index}, out.dtype, false));
}

std::shared_ptr<Step> take_along_axis_step(const View& x, const View& indices, const View& out, int axis) {
  const auto at = static_cast<std::size_t>(axis);
  require(axis >= 0 && at < x.shape.size() && x.shape.size() == indices.shape.size(), "take_along_axis_step: rank");
  require(indices.shape == out.shape && x.dtype == out.dtype, "take_along_axis_step: shapes or dtypes do not fit");
  Ints from = x.strides;
  from[at] = 0;
  const Index index{indices, indices.strides, x.shape[at], x.strides[at]};
  return std::make_shared<GatherStep>(x, out, IndexedWalk(out.shape, from, out.strides, {index}, out.dtype, false));
}

// -- points ------------------------------------------------------------------------------------------------------------
// Indices (..., k) of the first k axes of `tensor`, along a walk over (..., the other axes).
std::vector<Index> points(const View& tensor, const View& indices, std::size_t walk_axes) {
  const std::size_t lead = indices.shape.size() - 1;
  std::vector<Index> found;
  for (std::int64_t i = 0; i < indices.shape[lead]; ++i) {
    View one = indices;
    one.offset += i * indices.strides[lead];
    Ints strides(indices.strides.begin(), indices.strides.end() - 1);
    strides.resize(walk_axes, 0);
    const auto axis = static_cast<std::size_t>(i);
    found.push_back({one, strides, tensor.shape[axis], tensor.strides[axis]});
  }
  return found;
}

// The strides of `tensor` along a walk over (..., its axes after the first k).
Ints tail_strides(const View& tensor, const View& indices) {
  const std::size_t lead = indices.shape.size() - 1;
  Ints strides(lead, 0);
  strides.insert(strides.end(), tensor.strides.begin() + indices.shape[lead], tensor.strides.end());
  return strides;
}

void require_points(const View& tensor, const View& indices, const View& values) {
  require(!indices.shape.empty() && indices.shape.back() <= static_cast<std::int64_t>(tensor.shape.size()) &&
              tensor.dtype == values.dtype,
          "points need indices (..., k) with k axes of the tensor, and values of its dtype");
  Ints shape(indices.shape.begin(), indices.shape.end() - 1);
  shape.insert(shape.end(), tensor.shape.begin() + indices.shape.back(), tensor.shape.end());
  require(shape == values.shape, "the values do not fit the indices");
}

std::shared_ptr<Step> gather_nd_step(const View& x, const View& indices, const View& out) {
  require_points(x, indices, out);
  return std::make_shared<GatherStep>(
      x, out,
      IndexedWalk(out.shape, tail_strides(x, indices), out.strides, points(x, indices, out.shape.size()), out.dtype,
                  false));
}

std::shared_ptr<Step> scatter_step(const View& x, const View& indices, const View& updates, const View& out,
                                   const std::string& mode) {
  require_points(out, indices, updates);
  require(mode == "update" || mode == "add" || mode == "max", "scatter_step: mode is 'update', 'add' or 'max'");
  const bool is_half = out.dtype == Dtype::float16 || out.dtype == Dtype::bfloat16;
  require(!is_half || is_packed(out), "scatter_step: sums of 16-bit floats need a C-contiguous result");
  const Scatter kind = mode == "add" ? Scatter::add : mode == "max" ? Scatter::max : Scatter::update;
  return std::make_shared<ScatterStep>(
      x, updates, out,
      IndexedWalk(updates.shape, updates.strides, tail_strides(out, indices),
                  points(out, indices, updates.shape.size()), out.dtype, true),
      kind);
}

// -- blocks ------------------------------------------------------------------------------------------------------------
// One place for each axis: the block's start, kept where the whole block fits.
std::vector<Index> block_start(const View& tensor, const View& starts, const Ints& sizes) {
  require(starts.shape.size() == 1 && starts.shape[0] == static_cast<std::int64_t>(tensor.shape.size()) &&
              sizes.size() == tensor.shape.size(),
          "a block needs a start and a size for each axis");
  std::vector<Index> found;
  for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    require(sizes[axis] <= tensor.shape[axis], "a block is larger than its tensor");
    View one = starts;
    one.offset += static_cast<std::int64_t>(axis) * starts.strides[0];
    found.push_back({one, Ints(sizes.size(), 0), tensor.shape[axis] - sizes[axis] + 1, tensor.strides[axis]});
  }
  return found;
}

std::shared_ptr<Step> dynamic_slice_step(const View& x, const View& starts, const View& out) {
  require(x.dtype == out.dtype, "dynamic_slice_step: dtypes differ");
  return std::make_shared<GatherStep>(
      x, out, IndexedWalk(out.shape, x.strides, out.strides, block_start(x, starts, out.shape), out.dtype, false));
}

std::shared_ptr<Step> dynamic_update_slice_step(const View& x, const View& update, const View& starts, const View& out) {
  require(out.dtype == update.dtype, "dynamic_update_slice_step: dtypes differ");
  return std::make_shared<ScatterStep>(x, update, out,
                                       IndexedWalk(update.shape, update.strides, out.strides,
                                                   block_start(out, starts, update.shape), out.dtype, true),
                                       Scatter::update);
}

// -- a table's gradient descent ----------------------------------------------------------------------------------------
class DescendStep final : public Step {
 public:
  DescendStep(View table, View indices, View updates, View rate, View out)
      : table_(std::move(table)), indices_(std::move(indices)), updates_(std::move(updates)), rate_(std::move(rate)),
        out_(std::move(out)) {
    const std::int64_t rows = table_.shape.empty() ? 0 : table_.shape[0];
    require(rows > 0 && table_.shape == out_.shape, "descend_step: a table and a result like it");
    const std::int64_t columns = table_.size() / rows, count = indices_.size();
    require(updates_.size() == count * columns && rate_.size() == 1, "descend_step: an update for each index, one rate");
    require(table_.dtype == Dtype::float32 || table_.dtype == Dtype::float64, "descend_step: float32 or float64");
    require(updates_.dtype == table_.dtype && rate_.dtype == table_.dtype && out_.dtype == table_.dtype,
            "descend_step: dtypes differ");
    require(indices_.dtype == Dtype::int32, "descend_step: indices are int32");
    require(is_packed(table_) && is_packed(indices_) && is_packed(updates_) && is_packed(out_),
            "descend_step: arrays are C-contiguous");
    call_ = {table_.dtype, rows, columns, count, nullptr, nullptr, nullptr, nullptr, nullptr};
  }

  void run(Slots slots) const override {
    DescendCall call = call_;
    call.table = address(table_, slots);
    call.indices = reinterpret_cast<const std::int32_t*>(address(indices_, slots));
    call.updates = address(updates_, slots);
    call.rate = address(rate_, slots);
    call.out = address(out_, slots);
    kernels().moving.descend(call);
  }

 private:
  View table_, indices_, updates_, rate_, out_;
  DescendCall call_{};
};

std::shared_ptr<Step> descend_step(const View& table, const View& indices, const View& updates, const View& rate,
                                   const View& out) {
  return std::make_shared<DescendStep>(table, indices, updates, rate, out);
}

}  // namespace

void bind_indexing(nb::module_& m) {
  m.def("take_step", &take_step, "x"_a, "indices"_a, "out"_a, "axis"_a,
        "out = take(x, indices, axis): indices int32 of any shape, which takes the axis' place; any strides.");
  m.def("take_along_axis_step", &take_along_axis_step, "x"_a, "indices"_a, "out"_a, "axis"_a,
        "out[..., i, ...] = x[..., indices[..., i, ...], ...]; indices int32 of out's shape, other axes as x's; any "
        "strides.");
  m.def("gather_nd_step", &gather_nd_step, "x"_a, "indices"_a, "out"_a,
        "out = x[indices[..., 0], ..., indices[..., k - 1]]; int32 indices (..., k); any strides.");
  m.def("scatter_step", &scatter_step, "x"_a, "indices"_a, "updates"_a, "out"_a, "mode"_a,
        "out = x with updates put, added or compared ('update', 'add', 'max') at int32 points (..., k) of its first k "
        "axes, in the order of the points. out may be x itself (the same view): then nothing is copied. x may be a "
        "broadcast (zeros). Any strides; a 16-bit float 'add' needs out C-contiguous. The order of sums does not depend "
        "on threads.");
  m.def("descend_step", &descend_step, "table"_a, "indices"_a, "updates"_a, "rate"_a, "out"_a,
        "out = table - rate * scatter_add(zeros, indices, updates), bit for bit, without the array of sums: table (rows, "
        "...), updates one row for each int32 index, rate of one element; float32 or float64, C-contiguous, out apart.");
  m.def("dynamic_slice_step", &dynamic_slice_step, "x"_a, "starts"_a, "out"_a,
        "out = the block of x of out's shape that begins at the int32 vector starts, moved inside where it would leave.");
  m.def("dynamic_update_slice_step", &dynamic_update_slice_step, "x"_a, "update"_a, "starts"_a, "out"_a,
        "out = x with the block at the int32 vector starts replaced by update; out may be x itself (the same view).");
}

}  // namespace kerasish
