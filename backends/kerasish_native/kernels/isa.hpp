// Instruction-set selection: which code path this process runs, decided once at load time.
//
// A kernel with several paths writes its body once as an always-inline template or function, wraps it in
// one function per path with the KERASISH_TARGET_* attributes, and picks with `isa()`.
#pragma once

#include <string>
#include <vector>

#if (defined(__x86_64__) || defined(_M_X64)) && (defined(__GNUC__) || defined(__clang__))
#define KERASISH_X86 1
#define KERASISH_TARGET_AVX2 __attribute__((target("avx2,fma")))
#define KERASISH_TARGET_AVX512 \
  __attribute__((target("avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")))
#else
#define KERASISH_X86 0
#endif

#if defined(__GNUC__) || defined(__clang__)
#define KERASISH_INLINE inline __attribute__((always_inline))
#define KERASISH_RESTRICT __restrict__
#else
#define KERASISH_INLINE inline
#define KERASISH_RESTRICT __restrict
#endif

namespace kerasish {

enum class Isa { generic = 0, avx2 = 1, avx512 = 2 };

// The widest path both the machine and KERASISH_ISA (generic | avx2 | avx512; an upper bound) allow.
// Read once. Throws std::invalid_argument when KERASISH_ISA is none of the three.
Isa isa();

// "generic", "avx2" or "avx512".
const char* isa_name(Isa value);

// Names of the features of this machine that kernels may care about, in the compiler's spelling.
std::vector<std::string> cpu_features();

}  // namespace kerasish
