#include "isa.hpp"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

namespace kerasish {
namespace {

Isa machine_isa() {
#if KERASISH_X86
  __builtin_cpu_init();
  const bool has_avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq");
  if (has_avx512) return Isa::avx512;
  if (has_avx2) return Isa::avx2;
#endif
  return Isa::generic;
}

Isa requested_isa() {
  const char* text = std::getenv("KERASISH_ISA");
  if (text == nullptr || *text == '\0') return Isa::avx512;
  for (Isa value : {Isa::generic, Isa::avx2, Isa::avx512}) {
    if (std::string(text) == isa_name(value)) return value;
  }
  throw std::invalid_argument("KERASISH_ISA must be generic, avx2 or avx512; received '" +
                              std::string(text) + "'");
}

}  // namespace

Isa isa() {
  static const Isa chosen = std::min(machine_isa(), requested_isa());
  return chosen;
}

const char* isa_name(Isa value) {
  switch (value) {
    case Isa::avx512: return "avx512";
    case Isa::avx2: return "avx2";
    default: return "generic";
  }
}

std::vector<std::string> cpu_features() {
  std::vector<std::string> names;
#if KERASISH_X86
  __builtin_cpu_init();
#define KERASISH_FEATURE(name) \
  if (__builtin_cpu_supports(name)) names.emplace_back(name)
  KERASISH_FEATURE("sse4.2");
  KERASISH_FEATURE("avx");
  KERASISH_FEATURE("avx2");
  KERASISH_FEATURE("fma");
  KERASISH_FEATURE("avx512f");
  KERASISH_FEATURE("avx512vl");
  KERASISH_FEATURE("avx512bw");
  KERASISH_FEATURE("avx512dq");
  KERASISH_FEATURE("avx512vnni");
#undef KERASISH_FEATURE
#endif
  return names;
}

}  // namespace kerasish
