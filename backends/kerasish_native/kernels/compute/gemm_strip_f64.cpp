#include "gemm_strip.hpp"

namespace kerasish {
namespace KERASISH_ISA {

template <>
StripFunction<double> strip_function<double>(bool by_rows, int R, int V) {
  return by_rows ? choose_strip<double, Rows>(R, V) : choose_strip<double, Columns>(R, V);
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
