// Steps of the matrix kernels: products and convolutions.
#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>

#include <stdexcept>

#include "bind.hpp"
#include "kernel_table.hpp"
#include "plan/program.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace kerasish {
namespace {

// c = a b over the last two axes; the others are batch axes of equal sizes (broadcast ones have stride 0).
class MatmulStep final : public Step {
 public:
  MatmulStep(View a, View b, View c) : a_(std::move(a)), b_(std::move(b)), c_(std::move(c)) {
    const std::size_t rank = c_.shape.size();
    if (rank < 2 || rank > 8 || a_.shape.size() != rank || b_.shape.size() != rank) {
      throw std::invalid_argument("matmul_step needs three views of one rank between 2 and 8");
    }
    call_.dtype = c_.dtype;
    call_.m = c_.shape[rank - 2];
    call_.n = c_.shape[rank - 1];
    call_.k = a_.shape[rank - 1];
    call_.batch_axes = static_cast<int>(rank - 2);
    for (std::size_t i = 0; i + 2 < rank; ++i) {
      call_.batch_sizes[i] = c_.shape[i];
      call_.a_batch[i] = a_.strides[i];
      call_.b_batch[i] = b_.strides[i];
      call_.c_batch[i] = c_.strides[i];
    }
  }

  void run(Slots slots) const override {
    GemmCall call = call_;
    call.a = matrix(a_, slots);
    call.b = matrix(b_, slots);
    call.c = matrix(c_, slots);
    kernels().gemm.gemm(call);
  }

 private:
  static Matrix matrix(const View& view, Slots slots) {
    const std::size_t rank = view.shape.size();
    return {address(view, slots), view.strides[rank - 2], view.strides[rank - 1]};
  }

  View a_, b_, c_;
  GemmCall call_{};
};

}  // namespace

void bind_matrix(nb::module_& m) {
  m.def(
      "matmul_step",
      [](const View& a, const View& b, const View& c) -> std::shared_ptr<Step> {
        return std::make_shared<MatmulStep>(a, b, c);
      },
      "a"_a, "b"_a, "c"_a, "c = a b over the last two axes; leading axes are batch axes.");
}

}  // namespace kerasish
