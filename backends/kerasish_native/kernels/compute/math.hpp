// Vector functions of float32 and float64. Accuracy is stated in units in the last place (ULP) of the result.
#pragma once

#include <cmath>

#include "simd.hpp"

namespace kerasish {
namespace KERASISH_ISA {

using i64v = std::int64_t __attribute__((vector_size(vector_bytes), may_alias));

// Square root, correctly rounded.
KERASISH_INLINE f32v root(f32v x) {
#if defined(__AVX512F__)
  return (f32v)_mm512_maskz_sqrt_ps(0xffff, (__m512)x);
#elif defined(__AVX2__)
  return (f32v)_mm256_sqrt_ps((__m256)x);
#else
  for (int i = 0; i < f32_lanes; ++i) x[i] = std::sqrt(x[i]);
  return x;
#endif
}
KERASISH_INLINE f64v root(f64v x) {
#if defined(__AVX512F__)
  return (f64v)_mm512_maskz_sqrt_pd(0xff, (__m512d)x);
#elif defined(__AVX2__)
  return (f64v)_mm256_sqrt_pd((__m256d)x);
#else
  for (int i = 0; i < f64_lanes; ++i) x[i] = std::sqrt(x[i]);
  return x;
#endif
}

// 2^n for whole n in [-126, 127] given as a float.
KERASISH_INLINE f32v power_of_two(f32v n) {
  return (f32v)((__builtin_convertvector(n, i32v) + 127) << 23);
}

// e^x within 1 ULP (measured 0.9), subnormal results included. x = n ln 2 + r, |r| <= ln 2 / 2 (Cody and Waite 1980),
// e^r by a polynomial of degree 6; 2^n is applied in two factors, so that neither end over- or underflows early.
KERASISH_INLINE f32v exp(f32v x) {
  const f32v high = splat(89.0f), low = splat(-104.5f);
  f32v y = x < high ? x : high;  // NaN: y is 89 here and put right at the end
  y = y > low ? y : low;
  // Adding and subtracting 1.5 * 2^23 rounds to an integer.
  const f32v shift = splat(12582912.0f);
  const f32v n = fma(y, splat(1.44269504f), shift) - shift;
  // ln 2 in two parts; the first has 9 trailing zeros, so that n times it is exact.
  f32v r = fma(n, splat(-0.693145751953125f), y);
  r = fma(n, splat(-1.42860682e-6f), r);
  f32v p = splat(1.39820367e-3f);
  p = fma(p, r, splat(8.36405900e-3f));
  p = fma(p, r, splat(4.16664556e-2f));
  p = fma(p, r, splat(1.66664675e-1f));
  p = fma(p, r, splat(0.5f));
  p = fma(p, r * r, r) + 1.0f;
  const f32v half = fma(n, splat(0.5f), shift) - shift;
  p = p * power_of_two(half) * power_of_two(n - half);
  return x != x ? x : p;
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
