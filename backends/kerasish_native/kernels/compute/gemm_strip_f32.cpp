#include "gemm_strip.hpp"

namespace kerasish {
namespace KERASISH_ISA {

template <>
StripFunction<float> strip_function<float>(bool by_rows, int R, int V) {
  return by_rows ? choose_strip<float, Rows>(R, V) : choose_strip<float, Columns>(R, V);
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
