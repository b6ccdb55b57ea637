#include "../families/gemm.hpp"
#include "simd.hpp"

namespace kerasish {
namespace KERASISH_ISA {

void fill_gemm(GemmKernels& table);
void fill_gemm(GemmKernels& table) { table.gemm = nullptr; }

}  // namespace KERASISH_ISA
}  // namespace kerasish
