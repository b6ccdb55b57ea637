// The step of attention.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>

#include <optional>
#include <stdexcept>

#include "bind.hpp"
#include "kernel_table.hpp"
#include "plan/program.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace kerasish {
namespace {

using Ints = std::vector<std::int64_t>;
using Maybe = std::optional<View>;

void require(bool holds, const char* rule) {
  if (!holds) throw std::invalid_argument(rule);
}

class AttentionStep final : public Step {
 public:
  AttentionStep(View q, View k, View v, Maybe bias, Maybe mask, View y, double scale, double soft_cap, bool causal)
      : q_(std::move(q)), k_(std::move(k)), v_(std::move(v)), y_(std::move(y)), bias_(std::move(bias)),
        mask_(std::move(mask)) {
    require(q_.shape.size() == 4 && k_.shape.size() == 4 && v_.shape.size() == 4, "q, k and v have four axes");
    const std::int64_t b = q_.shape[0], t = q_.shape[1], n = q_.shape[2], h = q_.shape[3];
    const std::int64_t s = k_.shape[1], width = v_.shape[3];
    require(k_.shape == Ints{b, s, n, h} && v_.shape == Ints{b, s, n, width} && s > 0,
            "q (B, T, N, H), k (B, S, N, H) and v (B, S, N, W) fit together, S > 0");
    require(y_.shape == Ints{b, t, n, width} && is_packed(y_), "y is (B, T, N, W), in C order");
    require(q_.dtype >= Dtype::float16 && k_.dtype == q_.dtype && v_.dtype == q_.dtype && y_.dtype == q_.dtype,
            "q, k, v and y are floats of one dtype");
    const Ints pairs{b, n, t, s};
    require(!bias_ || (bias_->shape == pairs && bias_->dtype == q_.dtype), "bias is (B, N, T, S), of the dtype of q");
    require(!mask_ || (mask_->shape == pairs && mask_->dtype == Dtype::boolean), "mask is bool (B, N, T, S)");
    call_ = {q_.dtype, b, n, t, s, h, width, {}, {}, {}, {}, {}, {}, scale, soft_cap, causal};
  }

  void run(Slots slots) const override {
    AttentionCall call = call_;
    call.q = heads(q_, slots);
    call.k = heads(k_, slots);
    call.v = heads(v_, slots);
    call.y = heads(y_, slots);
    call.bias = pairs(bias_, slots);
    call.mask = pairs(mask_, slots);
    kernels().attention.attend(call);
  }

 private:
  static HeadsView heads(const View& x, Slots slots) {
    return {address(x, slots), x.strides[0], x.strides[1], x.strides[2], x.strides[3]};
  }
  static PairsView pairs(const Maybe& x, Slots slots) {
    if (!x) return {};
    return {address(*x, slots), x->strides[0], x->strides[1], x->strides[2], x->strides[3]};
  }

  View q_, k_, v_, y_;
  Maybe bias_, mask_;
  AttentionCall call_{};
};

std::shared_ptr<Step> make(const View& q, const View& k, const View& v, const Maybe& bias, const Maybe& mask,
                           const View& y, double scale, double soft_cap, bool causal) {
  return std::make_shared<AttentionStep>(q, k, v, bias, mask, y, scale, soft_cap, causal);
}

constexpr const char* attention_step_doc = R"(A step that computes y = softmax(cap(scale q k') + bias, masked) v for each head.

q (B, T, N, H), k (B, S, N, H), v (B, S, N, W): views of one float dtype with any strides, S > 0. y (B, T, N, W): in C order,
    apart from the others.
bias: of the same dtype, mask: bool, true where a query may attend to a key: both (B, N, T, S), broadcast axes with stride 0,
    or None. causal: query t attends to keys s <= t. A query that may attend to nothing attends to all keys alike.
soft_cap: c > 0 bounds scores by cap(x) = c tanh(x / c) before the bias; 0 does not.

Scores of a few queries and 256 keys are in cache at a time; nothing of the size T x S is stored. float16 and bfloat16 are
computed in float32 and rounded once. The order of sums depends on sizes alone. Values near the largest
float may overflow, being added up before they are divided by the sum of the weights. Raises ValueError for views that do not
fit.)";

}  // namespace

void bind_attention(nb::module_& m) {
  m.def("attention_step", &make, "q"_a, "k"_a, "v"_a, "bias"_a.none(), "mask"_a.none(), "y"_a, "scale"_a, "soft_cap"_a,
        "causal"_a, attention_step_doc);
}

}  // namespace kerasish
