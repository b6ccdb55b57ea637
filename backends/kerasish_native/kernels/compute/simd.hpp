// Vectors of the instruction set this file is being compiled for.
//
// Every .cpp file in this folder is compiled once per instruction set (CMakeLists.txt), each time in its own namespace
// KERASISH_ISA (generic, avx2, avx512). Two rules keep those copies apart: code stands in `namespace kerasish::
// KERASISH_ISA`, and no container or algorithm of the standard library is used, since the linker would keep one copy of
// its templates, perhaps the one with instructions the machine lacks.
#pragma once

#include <cstdint>
#include <cstring>

#include "../isa.hpp"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace kerasish {
namespace KERASISH_ISA {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif

// GCC and Clang vector types: + - * / and comparisons are written as operators.
using f32v = float __attribute__((vector_size(vector_bytes), may_alias));
using f64v = double __attribute__((vector_size(vector_bytes), may_alias));
using i32v = std::int32_t __attribute__((vector_size(vector_bytes), may_alias));

constexpr int f32_lanes = vector_bytes / 4;
constexpr int f64_lanes = vector_bytes / 8;

KERASISH_INLINE f32v load(const float* p) {
  f32v v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
KERASISH_INLINE f64v load(const double* p) {
  f64v v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
KERASISH_INLINE void store(float* p, f32v v) { std::memcpy(p, &v, sizeof v); }
KERASISH_INLINE void store(double* p, f64v v) { std::memcpy(p, &v, sizeof v); }

KERASISH_INLINE f32v splat(float x) { return x - f32v{}; }
KERASISH_INLINE f64v splat(double x) { return x - f64v{}; }

// a * b + c with one rounding where the instruction set has it (the build forbids the compiler to contract by itself).
KERASISH_INLINE f32v fma(f32v a, f32v b, f32v c) {
#if defined(__AVX512F__)
  return (f32v)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (f32v)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  return a * b + c;
#endif
}
KERASISH_INLINE f64v fma(f64v a, f64v b, f64v c) {
#if defined(__AVX512F__)
  return (f64v)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__AVX2__)
  return (f64v)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#else
  return a * b + c;
#endif
}

// The first `count` lanes (0..lanes); the others are zero, and nothing beyond p[count] is touched.
KERASISH_INLINE f32v load_some(const float* p, int count) {
#if defined(__AVX512F__)
  return (f32v)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1u), p);
#else
  f32v v{};
  std::memcpy(&v, p, sizeof(float) * static_cast<unsigned>(count));
  return v;
#endif
}
KERASISH_INLINE void store_some(float* p, f32v v, int count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1u), (__m512)v);
#else
  std::memcpy(p, &v, sizeof(float) * static_cast<unsigned>(count));
#endif
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
