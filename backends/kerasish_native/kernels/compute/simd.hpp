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

#if defined(__AVX2__) && !defined(__AVX512F__)
// All bits set in the first `count` lanes.
KERASISH_INLINE __m256i first_lanes_32(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
KERASISH_INLINE __m256i first_lanes_64(int count) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
}
#endif

// The first `count` lanes (0..lanes); the others are zero, and nothing beyond p[count] is touched.
KERASISH_INLINE f32v load_some(const float* p, int count) {
#if defined(__AVX512F__)
  return (f32v)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1u), p);
#elif defined(__AVX2__)
  return (f32v)_mm256_maskload_ps(p, first_lanes_32(count));
#else
  f32v v{};
  for (int i = 0; i < f32_lanes; ++i) v[i] = i < count ? p[i] : 0.0f;
  return v;
#endif
}
KERASISH_INLINE f64v load_some(const double* p, int count) {
#if defined(__AVX512F__)
  return (f64v)_mm512_maskz_loadu_pd((__mmask8)((1u << count) - 1u), p);
#elif defined(__AVX2__)
  return (f64v)_mm256_maskload_pd(p, first_lanes_64(count));
#else
  f64v v{};
  for (int i = 0; i < f64_lanes; ++i) v[i] = i < count ? p[i] : 0.0;
  return v;
#endif
}
KERASISH_INLINE void store_some(float* p, f32v v, int count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1u), (__m512)v);
#elif defined(__AVX2__)
  _mm256_maskstore_ps(p, first_lanes_32(count), (__m256)v);
#else
  for (int i = 0; i < f32_lanes; ++i) {
    if (i < count) p[i] = v[i];
  }
#endif
}
KERASISH_INLINE void store_some(double* p, f64v v, int count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_pd(p, (__mmask8)((1u << count) - 1u), (__m512d)v);
#elif defined(__AVX2__)
  _mm256_maskstore_pd(p, first_lanes_64(count), (__m256d)v);
#else
  for (int i = 0; i < f64_lanes; ++i) {
    if (i < count) p[i] = v[i];
  }
#endif
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
