// Steps of convolutions and pooling.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>

#include "bind.hpp"
#include "kernel_table.hpp"
#include "plan/conv_plan.hpp"
#include "plan/tile_step.hpp"
#include "scratch.hpp"
#include "thread_pool.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace kerasish {
namespace {

using Sizes = std::vector<std::int64_t>;
using Pads = std::vector<std::pair<std::int64_t, std::int64_t>>;
using MaybeStep = std::shared_ptr<Step>;

void require(bool holds, const char* rule) {
  if (!holds) throw std::invalid_argument(rule);
}

bool is_float(Dtype dtype) { return dtype >= Dtype::float16; }
bool is_half(Dtype dtype) { return dtype == Dtype::float16 || dtype == Dtype::bfloat16; }

bool is_contiguous(const View& view) {
  if (view.size() == 0) return true;
  std::int64_t expected = 1;
  for (std::size_t i = view.shape.size(); i-- > 0;) {
    if (view.shape[i] != 1 && view.strides[i] != expected) return false;
    expected *= view.shape[i];
  }
  return true;
}

// What a window does along the spatial axes, checked against the positions it has in an array.
struct Frame {
  std::int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, window[3] = {1, 1, 1};
  std::int64_t stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1}, pad[3] = {0, 0, 0};
};

Frame frame_of(const View& inner, const View& outer, const Sizes& window, const Sizes& strides, const Pads& pads,
               const Sizes& dilation) {
  const std::size_t rank = inner.shape.size();
  require(rank >= 3 && rank <= 5 && outer.shape.size() == rank, "windows have one to three spatial axes");
  const std::size_t axes = rank - 2;
  require(window.size() == axes && strides.size() == axes && pads.size() == axes && dilation.size() == axes,
          "window, strides, pads and dilation have one entry for each spatial axis");
  Frame f;
  for (std::size_t i = 0; i < axes; ++i) {
    require(window[i] >= 1 && strides[i] >= 1 && dilation[i] >= 1 && pads[i].first >= 0 && pads[i].second >= 0,
            "window, strides and dilation are at least 1, pads at least 0");
    const std::int64_t room = inner.shape[i + 1] + pads[i].first + pads[i].second - dilation[i] * (window[i] - 1) - 1;
    require(outer.shape[i + 1] == (room < 0 ? 0 : room / strides[i] + 1),
            "the result must have a position for each place of the window");
    const std::size_t k = 3 - axes + i;
    f.in[k] = inner.shape[i + 1];
    f.out[k] = outer.shape[i + 1];
    f.window[k] = window[i];
    f.stride[k] = strides[i];
    f.dilation[k] = dilation[i];
    f.pad[k] = pads[i].first;
  }
  return f;
}

// --- convolution -----------------------------------------------------------------------------------------------------

ConvShape conv_shape(const View& x, const View& kernel, const View& y, const Sizes& strides, const Pads& pads,
                     const Sizes& dilation, int groups) {
  const std::size_t rank = x.shape.size();
  require(rank >= 3 && kernel.shape.size() == rank && y.shape.size() == rank,
          "the arrays of a convolution have one rank");
  require(is_float(x.dtype) && x.dtype == kernel.dtype && x.dtype == y.dtype,
          "the arrays of a convolution are floats of one dtype");
  require(is_contiguous(x) && is_contiguous(kernel) && is_contiguous(y), "the arrays of a convolution are contiguous");
  const Sizes window(kernel.shape.begin(), kernel.shape.end() - 2);
  const Frame f = frame_of(x, y, window, strides, pads, dilation);
  ConvShape s;
  s.dtype = is_half(x.dtype) ? Dtype::float32 : x.dtype;
  s.images = x.shape[0];
  s.channels = x.shape[rank - 1];
  s.filters = kernel.shape[rank - 1];
  s.groups = groups;
  require(groups >= 1 && s.filters % groups == 0 && s.channels == kernel.shape[rank - 2] * groups,
          "the channels of a convolution fit its kernel and groups");
  require(y.shape[0] == s.images && y.shape[rank - 1] == s.filters,
          "the result of a convolution has the images of the input and the filters of the kernel");
  for (int i = 0; i < 3; ++i) {
    s.in[i] = f.in[i];
    s.out[i] = f.out[i];
    s.window[i] = f.window[i];
    s.stride[i] = f.stride[i];
    s.dilation[i] = f.dilation[i];
    s.pad[i] = f.pad[i];
  }
  return s;
}

void cast(const void* from, Dtype from_dtype, void* to, Dtype to_dtype, std::int64_t size) {
  const TileFunction function = kernels().tile.cast[static_cast<int>(from_dtype)][static_cast<int>(to_dtype)];
  parallel_for(static_cast<std::size_t>(size), 1 << 15, [&](std::size_t begin, std::size_t end) {
    TileCall call{};
    call.rows = 1;
    call.cols = static_cast<std::int64_t>(end - begin);
    call.in[0] = static_cast<const char*>(from) + begin * item_size(from_dtype);
    call.out = static_cast<char*>(to) + begin * item_size(to_dtype);
    function(call);
  });
}

// One of the three arrays of a convolution from the two others.
class ConvStep final : public Step {
 public:
  enum class Result { y, x, kernel };

  ConvStep(Result result, View x, View kernel, View y, const ConvShape& shape, const MaybeStep& epilogue)
      : result_(result), x_(std::move(x)), kernel_(std::move(kernel)), y_(std::move(y)) {
    if (result == Result::x) {
      plans_ = backward_taps(shape);
    } else {
      plans_.push_back(forward_taps(shape));
    }
    if (epilogue == nullptr) return;
    epilogue_ = std::dynamic_pointer_cast<TileStep>(epilogue);
    require(epilogue_ != nullptr && epilogue_->runs_blocks(),
            "an epilogue is a step made by tile_step, with one row axis, full results and no reduction");
    rows_ = shape.filters == 0 ? 0 : y_.size() / shape.filters;
    require(epilogue_->rows() == rows_ && epilogue_->cols() == shape.filters,
            "an epilogue works on the positions and filters of the result");
  }

  void run(Slots slots) const override {
    void *x = address(x_, slots), *kernel = address(kernel_, slots), *y = address(y_, slots);
    const BlockRun blocks(epilogue_.get(), slots);
    const Epilogue epilogue = blocks.epilogue();
    if (is_half(x_.dtype)) {
      run_widened(x, kernel, y, epilogue);
    } else {
      run_on(x, kernel, y, epilogue);
    }
  }

 private:
  void run_on(void* x, void* kernel, void* y, const Epilogue& epilogue) const {
    const ConvKernels& table = kernels().conv;
    if (result_ == Result::kernel) {
      table.weights(plans_[0].at(x, kernel, y));
      return;
    }
    for (const TapPlan& plan : plans_) {
      TapSum sum = result_ == Result::y ? plan.at(x, kernel, y) : plan.at(y, kernel, x);
      sum.epilogue = epilogue;
      table.sum(sum);
    }
  }

  // 16-bit floats: in float32 copies.
  void run_widened(void* x, void* kernel, void* y, const Epilogue& epilogue) const {
    const View* views[] = {&x_, &kernel_, &y_};
    void* arrays[] = {x, kernel, y};
    const int result = result_ == Result::x ? 0 : result_ == Result::kernel ? 1 : 2;
    std::int64_t size = 0;
    for (const View* view : views) size += (view->size() + 15) / 16 * 16;
    float* next = static_cast<float*>(scratch(Scratch::widened, static_cast<std::size_t>(size) * sizeof(float)));
    void* wide[3];
    for (int i = 0; i < 3; ++i) {
      wide[i] = next;
      next += (views[i]->size() + 15) / 16 * 16;
      if (i != result) cast(arrays[i], x_.dtype, wide[i], Dtype::float32, views[i]->size());
    }
    run_on(wide[0], wide[1], wide[2], {});
    cast(wide[result], Dtype::float32, arrays[result], x_.dtype, views[result]->size());
    if (epilogue.apply == nullptr) return;
    parallel_for(static_cast<std::size_t>(rows_), 64, [&](std::size_t begin, std::size_t end) {
      epilogue.apply(epilogue.context, static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end), 0,
                     epilogue_->cols());
    });
  }

  Result result_;
  View x_, kernel_, y_;
  std::vector<TapPlan> plans_;
  std::shared_ptr<TileStep> epilogue_;
  std::int64_t rows_ = 0;
};

MaybeStep conv_step(const View& x, const View& kernel, const View& y, const Sizes& strides, const Pads& pads,
                    const Sizes& dilation, int groups, const MaybeStep& epilogue) {
  const ConvShape shape = conv_shape(x, kernel, y, strides, pads, dilation, groups);
  return std::make_shared<ConvStep>(ConvStep::Result::y, x, kernel, y, shape, epilogue);
}

MaybeStep conv_transpose_step(const View& x, const View& kernel, const View& y, const Sizes& strides, const Pads& pads,
                              const Sizes& dilation, int groups) {
  const ConvShape shape = conv_shape(y, kernel, x, strides, pads, dilation, groups);
  return std::make_shared<ConvStep>(ConvStep::Result::x, y, kernel, x, shape, nullptr);
}

MaybeStep conv_kernel_grad_step(const View& x, const View& g, const View& out, const Sizes& strides, const Pads& pads,
                                const Sizes& dilation, int groups) {
  const ConvShape shape = conv_shape(x, out, g, strides, pads, dilation, groups);
  return std::make_shared<ConvStep>(ConvStep::Result::kernel, x, out, g, shape, nullptr);
}

constexpr const char* conv_step_doc = R"(A step that computes y, the convolution of x with kernel.

x (N, *S, C), kernel (*K, C / groups, F), y (N, *T, F): views of one float dtype, contiguous, with one to three spatial
    axes. T must be what S, K, strides, pads and dilation give. y overlaps neither x nor kernel.
strides, dilation: an integer for each spatial axis; pads: a pair (before, after) for each.
epilogue: a step of `tile_step` over [N * T, F] without reductions. Its part of a block of whole rows of y runs when
    they are final and in cache, on several threads at once. It may read y in place, or write over it; it must not write
    over x or kernel.

In float32 a 3 x 3 kernel with strides and dilation 1 and without groups goes through Winograd's F(4 x 4, 3 x 3) where
that is faster: the error is then about twice that of the plain sum, relative to the numbers around a position rather
than to those under the kernel. Results that are not finite are those of the plain sum. float16 and bfloat16 are summed
in float32 and rounded once. Raises ValueError for views that do not fit.)";

constexpr const char* conv_transpose_step_doc = R"(A step that computes y, the adjoint of `conv_step` in its input.

x (N, *T, F), kernel (*K, C / groups, F), y (N, *S, C) and the keywords are as for a `conv_step` with y as its input and
x as its result: the gradient of a convolution in its input, for the gradient x of its result.)";

constexpr const char* conv_kernel_grad_step_doc =
    R"(A step that computes out, the gradient of `conv_step` in its kernel.

x (N, *S, C), g (N, *T, F), out (*K, C / groups, F) and the keywords are as for a `conv_step` with kernel out and result
g; g is the gradient of the result. Positions are summed by parts, in an order that depends on shapes and the number of
threads alone.)";

// --- pooling ---------------------------------------------------------------------------------------------------------

PoolCall pool_call(const View& inner, const View& outer, const Sizes& window, const Sizes& strides, const Pads& pads) {
  const std::size_t rank = inner.shape.size();
  const Frame f = frame_of(inner, outer, window, strides, pads, Sizes(rank < 2 ? 0 : rank - 2, 1));
  require(inner.dtype == outer.dtype && inner.dtype != Dtype::boolean,
          "the arrays of a pooling have one dtype, not bool");
  require(is_contiguous(inner) && is_contiguous(outer), "the arrays of a pooling are contiguous");
  require(inner.shape[0] == outer.shape[0] && inner.shape[rank - 1] == outer.shape[rank - 1],
          "the arrays of a pooling have equal images and channels");
  PoolCall c{};
  c.dtype = inner.dtype;
  c.images = inner.shape[0];
  c.channels = inner.shape[rank - 1];
  for (int i = 0; i < 3; ++i) {
    c.in[i] = f.in[i];
    c.out[i] = f.out[i];
    c.window[i] = f.window[i];
    c.stride[i] = f.stride[i];
    c.pad[i] = f.pad[i];
  }
  return c;
}

void require_like(const View& a, const View& b) {
  require(a.shape == b.shape && a.dtype == b.dtype && is_contiguous(a),
          "both arrays at the input's positions are alike");
}

class PoolStep final : public Step {
 public:
  using Kernel = void (*PoolKernels::*)(const PoolCall&);

  PoolStep(Kernel kernel, const PoolCall& call, View x, View values, View y)
      : kernel_(kernel), call_(call), x_(std::move(x)), values_(std::move(values)), y_(std::move(y)) {}

  void run(Slots slots) const override {
    PoolCall call = call_;
    call.x = address(x_, slots);
    call.values = address(values_, slots);
    call.y = address(y_, slots);
    (kernels().pool.*kernel_)(call);
  }

 private:
  Kernel kernel_;
  PoolCall call_;
  View x_, values_, y_;
};

MaybeStep max_pool_step(const View& x, const View& y, const Sizes& window, const Sizes& strides, const Pads& pads) {
  return std::make_shared<PoolStep>(&PoolKernels::max, pool_call(x, y, window, strides, pads), x, x, y);
}

MaybeStep max_pool_grad_step(const View& x, const View& g, const View& out, const Sizes& window, const Sizes& strides,
                             const Pads& pads) {
  require(is_float(x.dtype), "gradients are floats");
  require_like(out, x);
  return std::make_shared<PoolStep>(&PoolKernels::max_grad, pool_call(x, g, window, strides, pads), x, g, out);
}

MaybeStep max_pool_pick_step(const View& x, const View& values, const View& out, const Sizes& window,
                             const Sizes& strides, const Pads& pads) {
  require(is_float(x.dtype), "gradients are floats");
  require_like(values, x);
  return std::make_shared<PoolStep>(&PoolKernels::max_pick, pool_call(x, out, window, strides, pads), x, values, out);
}

MaybeStep avg_pool_step(const View& x, const View& y, const Sizes& window, const Sizes& strides, const Pads& pads) {
  require(is_float(x.dtype), "means are floats");
  return std::make_shared<PoolStep>(&PoolKernels::mean, pool_call(x, y, window, strides, pads), x, x, y);
}

MaybeStep avg_pool_grad_step(const View& g, const View& out, const Sizes& window, const Sizes& strides,
                             const Pads& pads) {
  require(is_float(g.dtype), "means are floats");
  return std::make_shared<PoolStep>(&PoolKernels::mean_grad, pool_call(out, g, window, strides, pads), g, g, out);
}

constexpr const char* max_pool_step_doc = R"(A step that computes y, the largest element of each window of x.

x (N, *S, C), y (N, *T, C): views of one dtype but bool, contiguous, with one to three spatial axes. T must be what S,
    window, strides and pads give; y does not overlap x.
window, strides: an integer for each spatial axis; pads: a pair (before, after) for each.

Pads are never chosen; a window of pads alone gives the dtype's least value, one with a NaN gives NaN. Raises ValueError
for views that do not fit.)";

constexpr const char* max_pool_grad_step_doc = R"(A step that computes out, the gradient of `max_pool_step` in x.

x, out (N, *S, C), g (N, *T, C): views of one float dtype, as for `max_pool_step`; g is the gradient of its result. It
is added where the first largest element of each window is (NaN counting as largest), zero elsewhere.)";

constexpr const char* max_pool_pick_step_doc =
    R"(A step that picks from values: the adjoint of `max_pool_grad_step` in g.

x, values (N, *S, C), out (N, *T, C): views of one float dtype, as for `max_pool_step`. out holds the element of values
at the first largest element of each window of x, zero for a window of pads alone.)";

constexpr const char* avg_pool_step_doc = R"(A step that computes y, the mean of each window of x, pads not counted.

x (N, *S, C), y (N, *T, C): views of one float dtype; otherwise as for `max_pool_step`. float16 and bfloat16 are summed
in float32.)";

constexpr const char* avg_pool_grad_step_doc = R"(A step that computes out, the gradient of `avg_pool_step` in x.

g (N, *T, C), out (N, *S, C): views of one float dtype, as for `avg_pool_step`; g is the gradient of its result.)";

}  // namespace

void bind_windows(nb::module_& m) {
  m.def("conv_step", conv_step, "x"_a, "kernel"_a, "y"_a, nb::kw_only(), "strides"_a, "pads"_a, "dilation"_a,
        "groups"_a, "epilogue"_a.none() = nb::none(), conv_step_doc);
  m.def("conv_transpose_step", conv_transpose_step, "x"_a, "kernel"_a, "y"_a, nb::kw_only(), "strides"_a, "pads"_a,
        "dilation"_a, "groups"_a, conv_transpose_step_doc);
  m.def("conv_kernel_grad_step", conv_kernel_grad_step, "x"_a, "g"_a, "out"_a, nb::kw_only(), "strides"_a, "pads"_a,
        "dilation"_a, "groups"_a, conv_kernel_grad_step_doc);
  m.def("max_pool_step", max_pool_step, "x"_a, "y"_a, nb::kw_only(), "window"_a, "strides"_a, "pads"_a,
        max_pool_step_doc);
  m.def("max_pool_grad_step", max_pool_grad_step, "x"_a, "g"_a, "out"_a, nb::kw_only(), "window"_a, "strides"_a,
        "pads"_a, max_pool_grad_step_doc);
  m.def("max_pool_pick_step", max_pool_pick_step, "x"_a, "values"_a, "out"_a, nb::kw_only(), "window"_a, "strides"_a,
        "pads"_a, max_pool_pick_step_doc);
  m.def("avg_pool_step", avg_pool_step, "x"_a, "y"_a, nb::kw_only(), "window"_a, "strides"_a, "pads"_a,
        avg_pool_step_doc);
  m.def("avg_pool_grad_step", avg_pool_grad_step, "g"_a, "out"_a, nb::kw_only(), "window"_a, "strides"_a, "pads"_a,
        avg_pool_grad_step_doc);
}

}  // namespace kerasish
