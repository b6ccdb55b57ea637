#include "gemm_driver.hpp"

namespace kerasish {
namespace KERASISH_ISA {

template <>
void gemm_of<float>(const GemmCall& call) {
  Batch<float>(call).run();
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
