// 16-bit floats in memory, float32 in registers. Storing rounds to nearest, ties to even; NaN becomes a quiet NaN.
#pragma once

#include "simd.hpp"

namespace kerasish {
namespace KERASISH_ISA {

struct Half {
  std::uint16_t bits;
};
struct Bfloat {
  std::uint16_t bits;
};

KERASISH_INLINE std::uint32_t bits_of(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
KERASISH_INLINE float float_of(std::uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

KERASISH_INLINE float widen(float x) { return x; }
KERASISH_INLINE double widen(double x) { return x; }
KERASISH_INLINE float widen(Bfloat x) { return float_of(static_cast<std::uint32_t>(x.bits) << 16); }
KERASISH_INLINE float widen(Half x) {
  const std::uint32_t sign = (x.bits & 0x8000u) << 16, size = x.bits & 0x7fffu;
  if (size >= 0x7c00u) return float_of(sign | 0x7f800000u | (size & 0x3ffu) << 13 | (size > 0x7c00u ? 0x400000u : 0u));
  if (size >= 0x400u) return float_of(sign | ((size << 13) + (112u << 23)));
  return float_of(sign | bits_of(static_cast<float>(size) * 0x1p-24f));
}

KERASISH_INLINE void narrow(float x, float& y) { y = x; }
KERASISH_INLINE void narrow(double x, double& y) { y = x; }
KERASISH_INLINE void narrow(float x, Bfloat& y) {
  const std::uint32_t bits = bits_of(x);
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  const std::uint32_t rounded = bits + 0x7fffu + (bits >> 16 & 1u);
  y.bits = static_cast<std::uint16_t>((nan ? bits | 0x400000u : rounded) >> 16);
}
KERASISH_INLINE void narrow(float x, Half& y) {
  const std::uint32_t sign = bits_of(x) >> 16 & 0x8000u;
  std::uint32_t size = bits_of(x) & 0x7fffffffu;
  if (size >= 0x47800000u) {
    size = size > 0x7f800000u ? 0x7e00u : 0x7c00u;
  } else if (size < 0x38800000u) {  // subnormal: the addition aligns the bits and rounds them
    size = bits_of(float_of(size) + 0.5f) - 0x3f000000u;
  } else {  // 65520 and above carry into infinity
    size = (size + 0xc8000fffu + (size >> 13 & 1u)) >> 13;
  }
  y.bits = static_cast<std::uint16_t>(sign | size);
}

using u32v = std::uint32_t __attribute__((vector_size(vector_bytes), may_alias));
using u16_half = std::uint16_t __attribute__((vector_size(vector_bytes / 2), may_alias));

KERASISH_INLINE f32v load(const Bfloat* p) {
  u16_half x;
  std::memcpy(&x, p, sizeof x);
  return (f32v)(__builtin_convertvector(x, u32v) << 16);
}
KERASISH_INLINE f32v load(const Half* p) {
#if defined(__AVX512F__)
  __m256i x;
  std::memcpy(&x, p, sizeof x);
  return (f32v)_mm512_maskz_cvtph_ps(0xffff, x);
#elif defined(__AVX2__)
  __m128i x;
  std::memcpy(&x, p, sizeof x);
  return (f32v)_mm256_cvtph_ps(x);
#else
  f32v v;
  for (int i = 0; i < f32_lanes; ++i) v[i] = widen(p[i]);
  return v;
#endif
}

KERASISH_INLINE void store(Bfloat* p, f32v v) {
  const u32v bits = (u32v)v;
  const u32v rounded = bits + 0x7fffu + (bits >> 16 & 1u), quiet = bits | 0x400000u;
  const u32v nan = (u32v)(v != v);
  const u16_half packed = __builtin_convertvector(((nan & quiet) | (~nan & rounded)) >> 16, u16_half);
  std::memcpy(p, &packed, sizeof packed);
}
KERASISH_INLINE void store(Half* p, f32v v) {
#if defined(__AVX512F__)
  const __m256i packed = _mm512_maskz_cvtps_ph(0xffff, (__m512)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  std::memcpy(p, &packed, sizeof packed);
#elif defined(__AVX2__)
  const __m128i packed = _mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  std::memcpy(p, &packed, sizeof packed);
#else
  for (int i = 0; i < f32_lanes; ++i) narrow(v[i], p[i]);
#endif
}

// The first `count` lanes; see simd.hpp.
template <class T>
KERASISH_INLINE f32v load_some_16(const T* p, int count) {
  T all[f32_lanes] = {};
  std::memcpy(all, p, sizeof(T) * static_cast<unsigned>(count));
  return load(all);
}
template <class T>
KERASISH_INLINE void store_some_16(T* p, f32v v, int count) {
  T all[f32_lanes];
  store(all, v);
  std::memcpy(p, all, sizeof(T) * static_cast<unsigned>(count));
}
KERASISH_INLINE f32v load_some(const Bfloat* p, int count) { return load_some_16(p, count); }
KERASISH_INLINE f32v load_some(const Half* p, int count) { return load_some_16(p, count); }
KERASISH_INLINE void store_some(Bfloat* p, f32v v, int count) { store_some_16(p, v, count); }
KERASISH_INLINE void store_some(Half* p, f32v v, int count) { store_some_16(p, v, count); }

}  // namespace KERASISH_ISA
}  // namespace kerasish
