#include "gemm_driver.hpp"

namespace kerasish {
namespace KERASISH_ISA {

template <>
void gemm_of<Half>(const GemmCall& call) {
  Batch<Half>(call).run();
}

template <>
void gemm_of<Bfloat>(const GemmCall& call) {
  Batch<Bfloat>(call).run();
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
