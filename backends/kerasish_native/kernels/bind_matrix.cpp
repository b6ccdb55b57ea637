// Steps of the matrix products.
#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>

#include <stdexcept>
#include <string>

#include "bind.hpp"
#include "kernel_table.hpp"
#include "plan/tile_step.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace kerasish {
namespace {

[[noreturn]] void refuse(const std::string& problem) { throw std::invalid_argument("matmul_step: " + problem); }

void check(const View& a, const View& b, const View& c) {
  const std::size_t rank = c.shape.size();
  constexpr std::size_t most_axes = 2 + sizeof(GemmCall{}.batch_sizes) / sizeof(std::int64_t);
  if (rank < 2 || rank > most_axes || a.shape.size() != rank || b.shape.size() != rank) {
    refuse("three views of one rank between 2 and " + std::to_string(most_axes) + " are needed");
  }
  if (a.dtype != c.dtype || b.dtype != c.dtype) refuse("the three views need one dtype");
  bool fits = a.shape[rank - 1] == b.shape[rank - 2] && a.shape[rank - 2] == c.shape[rank - 2] &&
              b.shape[rank - 1] == c.shape[rank - 1];
  for (std::size_t i = 0; i + 2 < rank; ++i) fits = fits && a.shape[i] == c.shape[i] && b.shape[i] == c.shape[i];
  if (!fits) refuse("shapes must be (..., m, k), (..., k, n) and (..., m, n)");
  for (std::size_t i = 0; i < rank; ++i) {
    if (c.strides[i] == 0 && c.shape[i] > 1 && c.size() > 0) refuse("elements of the result must not share memory");
  }
}

class MatmulStep final : public Step {
 public:
  MatmulStep(View a, View b, View c, std::shared_ptr<TileStep> epilogue)
      : a_(std::move(a)), b_(std::move(b)), c_(std::move(c)), epilogue_(std::move(epilogue)) {
    check(a_, b_, c_);
    const std::size_t rank = c_.shape.size();
    call_.dtype = c_.dtype;
    call_.m = c_.shape[rank - 2];
    call_.n = c_.shape[rank - 1];
    call_.k = a_.shape[rank - 1];
    call_.batch_axes = static_cast<int>(rank - 2);
    std::int64_t rows = call_.m;
    for (std::size_t i = 0; i + 2 < rank; ++i) {
      call_.batch_sizes[i] = c_.shape[i];
      call_.a_batch[i] = a_.strides[i];
      call_.b_batch[i] = b_.strides[i];
      call_.c_batch[i] = c_.strides[i];
      rows *= c_.shape[i];
    }
    if (epilogue_ == nullptr) return;
    if (!epilogue_->runs_blocks()) refuse("an epilogue has one row axis, full results and no reduction");
    if (epilogue_->rows() != rows || epilogue_->cols() != call_.n) {
      refuse("an epilogue works on the rows of all entries and the columns of the result");
    }
  }

  void run(Slots slots) const override {
    GemmCall call = call_;
    call.a = matrix(a_, slots);
    call.b = matrix(b_, slots);
    call.c = matrix(c_, slots);
    const BlockRun blocks(epilogue_.get(), slots);
    call.epilogue = blocks.epilogue();
    kernels().gemm.gemm(call);
  }

 private:
  static Matrix matrix(const View& view, Slots slots) {
    const std::size_t rank = view.shape.size();
    return {address(view, slots), view.strides[rank - 2], view.strides[rank - 1]};
  }

  View a_, b_, c_;
  std::shared_ptr<TileStep> epilogue_;
  GemmCall call_{};
};

std::shared_ptr<Step> make(const View& a, const View& b, const View& c, const std::shared_ptr<Step>& epilogue) {
  auto tiles = std::dynamic_pointer_cast<TileStep>(epilogue);
  if (epilogue != nullptr && tiles == nullptr) refuse("an epilogue is a step made by tile_step");
  return std::make_shared<MatmulStep>(a, b, c, std::move(tiles));
}

constexpr const char* matmul_step_doc = R"(A step that computes c = a b over the last two axes, for each entry of the others.

a, b, c: views of shapes (..., m, k), (..., k, n), (..., m, n), of one dtype and one rank from 2 to 8, leading axes equal:
    a broadcast axis has stride 0. Strides are free, negative ones too; c must not overlap a or b, nor itself. Fastest where
    c lies along its rows or columns, and b along its rows; a may lie either way. k = 0 gives zeros.
epilogue: a step of `tile_step` over [rows, n], rows being m times the entries, without reductions. Its part of a block runs
    when that block of c is final and in cache, on several threads at once. It may read c in place, or write over it; it
    must not write over a or b.

float32 and float64 are summed as such, in an order that depends on shapes and strides alone; float16 and bfloat16 are
summed in float32 and rounded once; integers wrap; of bools it is the or of ands. Raises ValueError for views that do not
fit.)";

}  // namespace

void bind_matrix(nb::module_& m) {
  m.def("matmul_step", &make, "a"_a, "b"_a, "c"_a, "epilogue"_a.none() = nb::none(), matmul_step_doc);
}

}  // namespace kerasish
