#include "kernel_table.hpp"

#include "isa.hpp"

namespace kerasish {

namespace generic {
void fill(KernelTable& table);
}
#if KERASISH_X86
namespace avx2 {
void fill(KernelTable& table);
}
namespace avx512 {
void fill(KernelTable& table);
}
#endif

const KernelTable& kernels() {
  static const KernelTable chosen = [] {
    KernelTable table{};
    switch (isa()) {
#if KERASISH_X86
      case Isa::avx512: avx512::fill(table); break;
      case Isa::avx2: avx2::fill(table); break;
#endif
      default: generic::fill(table); break;
    }
    return table;
  }();
  return chosen;
}

}  // namespace kerasish
