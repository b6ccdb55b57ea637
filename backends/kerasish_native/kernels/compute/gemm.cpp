#include "../families/gemm.hpp"

#include "gemm_driver.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

void gemm(const GemmCall& call) {
  switch (call.dtype) {
    case Dtype::float32: return gemm_of<float>(call);
    case Dtype::float64: return gemm_of<double>(call);
    case Dtype::float16: return gemm_of<Half>(call);
    case Dtype::bfloat16: return gemm_of<Bfloat>(call);
    default: return gemm_of<Integers>(call);
  }
}

}  // namespace

void fill_gemm(GemmKernels& table);
void fill_gemm(GemmKernels& table) { table.gemm = gemm; }

}  // namespace KERASISH_ISA
}  // namespace kerasish
