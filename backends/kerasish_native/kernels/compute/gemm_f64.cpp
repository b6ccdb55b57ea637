#include "gemm_driver.hpp"

namespace kerasish {
namespace KERASISH_ISA {

template <>
void gemm_of<double>(const GemmCall& call) {
  Batch<double>(call).run();
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
