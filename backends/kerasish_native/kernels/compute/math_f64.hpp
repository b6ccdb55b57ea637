// Vector functions of float64: those with the accuracy of float64 (exp, log, sigmoid, sqrt), and those that float32
// functions are computed through, exact to some 30 bits at least (`_30`).
#pragma once

#include <cmath>

#include "simd.hpp"

namespace kerasish {
namespace KERASISH_ISA {

using i64v = std::int64_t __attribute__((vector_size(vector_bytes), may_alias));
using u32v = std::uint32_t __attribute__((vector_size(vector_bytes), may_alias));
using u64v = std::uint64_t __attribute__((vector_size(vector_bytes), may_alias));
using half_f32v = float __attribute__((vector_size(vector_bytes / 2), may_alias));

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

// The lower and upper half of a vector in float64, and two halves rounded to float32 (or kept whole numbers).
#if defined(__AVX512F__)
KERASISH_INLINE f64v low_half(f32v x) {
  return (f64v)_mm512_maskz_cvtps_pd(0xff, (__m256)__builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7));
}
KERASISH_INLINE f64v high_half(f32v x) {
  return (f64v)_mm512_maskz_cvtps_pd(0xff, _mm512_maskz_extractf32x8_ps(0xff, (__m512)x, 1));
}
KERASISH_INLINE f32v joined(f64v low, f64v high) {
  const __m256 a = _mm512_maskz_cvtpd_ps(0xff, (__m512d)low), b = _mm512_maskz_cvtpd_ps(0xff, (__m512d)high);
  return __builtin_shufflevector((half_f32v)a, (half_f32v)b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
#else
#if defined(__AVX2__)
#define KERASISH_LOW 0, 1, 2, 3
#define KERASISH_HIGH 4, 5, 6, 7
#else
#define KERASISH_LOW 0, 1
#define KERASISH_HIGH 2, 3
#endif
KERASISH_INLINE f64v low_half(f32v x) {
  return __builtin_convertvector(__builtin_shufflevector(x, x, KERASISH_LOW), f64v);
}
KERASISH_INLINE f64v high_half(f32v x) {
  return __builtin_convertvector(__builtin_shufflevector(x, x, KERASISH_HIGH), f64v);
}
KERASISH_INLINE f32v joined(f64v low, f64v high) {
  const half_f32v a = __builtin_convertvector(low, half_f32v), b = __builtin_convertvector(high, half_f32v);
  return __builtin_shufflevector(a, b, KERASISH_LOW, KERASISH_HIGH);
}
#undef KERASISH_LOW
#undef KERASISH_HIGH
#endif

KERASISH_INLINE f64v absolute(f64v x) { return (f64v)((i64v)x & 0x7fffffffffffffff); }
KERASISH_INLINE f64v with_sign(f64v x, f64v s) {
  return (f64v)(((i64v)x & 0x7fffffffffffffff) | ((i64v)s & static_cast<std::int64_t>(0x8000000000000000)));
}
KERASISH_INLINE f64v at_most(f64v x, double bound) { return x > bound ? splat(bound) : x; }
KERASISH_INLINE f64v at_least(f64v x, double bound) { return x < bound ? splat(bound) : x; }

constexpr double push = 6755399441055744.0;  // 1.5 * 2^52: added, it leaves the nearest integer in the low bits

// 2^n for n in [-1022, 1023], from n + push.
KERASISH_INLINE f64v power_of_two(f64v pushed) { return (f64v)(((i64v)pushed + 1023) << 52); }

// e^x, 1 ULP, subnormal results included (there 2^n is two factors: at most one rounding more). x = n ln 2 + r; the first
// part of ln 2 has 42 bits. e^r = 1 + r + r^2 q(r), relative error 2^-63.4.
KERASISH_INLINE f64v exp(f64v x) {
  const f64v y = at_least(at_most(x, 710.0), -746.0);
  const f64v n = (y * 1.4426950408889634 + push) - push;
  f64v r = fma(n, splat(-0x1.62e42fefa3800p-1), y);
  r = fma(n, splat(-0x1.ef35793c76730p-45), r);
  f64v q = splat(0x1.1f8219cd97565p-29);
  q = fma(q, r, splat(0x1.af7029c43f3afp-26));
  q = fma(q, r, splat(0x1.27e4d47523fd6p-22));
  q = fma(q, r, splat(0x1.71dded9449435p-19));
  q = fma(q, r, splat(0x1.a01a01a8df6dfp-16));
  q = fma(q, r, splat(0x1.a01a01b48fc52p-13));
  q = fma(q, r, splat(0x1.6c16c16c15f4ep-10));
  q = fma(q, r, splat(0x1.111111110e97cp-7));
  q = fma(q, r, splat(0x1.5555555555556p-5));
  q = fma(q, r, splat(0x1.555555555555cp-3));
  q = fma(q, r, splat(0.5));
  const f64v sum = 1.0 + r;  // r is added without loss
  const f64v e = sum + fma(q, r * r, r - (sum - 1.0));
  const f64v half = (n * 0.5 + push) - push;
  return e * power_of_two(half + push) * power_of_two((n - half) + push);
}

// 1 / (1 + e^-x), 2 ULP, subnormal results included. The quotient by s = 1 + e is mended for what s lost by rounding.
KERASISH_INLINE f64v sigmoid(f64v x) {
  const f64v e = exp(-absolute(x)), s = 1.0 + e, lost = e - (s - 1.0);
  const f64v y = (x >= 0 ? splat(1.0) : e) / s;
  return fma(-y, lost / s, y);
}

// ln x, 1 ULP. x = m 2^e with m = 1 + f in [sqrt(1/2), sqrt 2); with s = f / (2 + f), ln m = 2s + s R(s^2) is arranged as
// f - (f^2/2 - s (f^2/2 + R)), which rounds the small terms only (the scheme of FDLIBM's e_log.c; the polynomial is our
// own fit, relative error 2^-59).
KERASISH_INLINE f64v log(f64v x) {
  const i64v small = x < 2.2250738585072014e-308;
  const f64v y = small ? x * 4503599627370496.0 : x;
  const u64v offset = (u64v)y - 0x3fe6a09e667f3bcdu;  // the bits of sqrt(1/2)
  const f64v m = (f64v)((u64v)y - (offset & 0xfff0000000000000u));
  f64v e = (f64v)((i64v)splat(push) + ((i64v)offset >> 52)) - push;  // an integer in the low bits of `push`
  e = small ? e - 52.0 : e;
  const f64v f = m - 1.0, s = f / (2.0 + f), z = s * s, square = 0.5 * f * f;
  f64v p = splat(0x1.2f11854cf29f7p-3);
  p = fma(p, z, splat(0x1.39a094fe74982p-3));
  p = fma(p, z, splat(0x1.746649b49bc40p-3));
  p = fma(p, z, splat(0x1.c71c51d7b908cp-3));
  p = fma(p, z, splat(0x1.249249422a5c1p-2));
  p = fma(p, z, splat(0x1.999999997f9f7p-2));
  p = fma(p, z, splat(0x1.5555555555593p-1));
  const f64v inner = square - fma(s, fma(p, z, square), e * 0x1.ef35793c76730p-45);
  f64v result = fma(e, splat(0x1.62e42fefa3800p-1), f - inner);
  const f64v infinity = splat(HUGE_VAL);
  result = x < infinity ? result : x;
  result = x < 0 ? infinity - infinity : result;
  return x == 0 ? -infinity : result;
}

// x = n pi/2 + r with |r| <= pi/4 for |x| < 2^27; of n what is left modulo 4, from -2 to 2. The first two parts of pi/2 have 26 bits.
struct Quadrant64 {
  f64v r, n;
};
KERASISH_INLINE Quadrant64 quadrant(f64v x) {
  const f64v n = (x * 0.63661977236758134 + push) - push;
  f64v r = fma(n, splat(-0x1.921fb50000000p+0), x);
  r = fma(n, splat(-0x1.110b460000000p-26), r);
  return {fma(n, splat(-0x1.1a62633145c07p-54), r), n - 4.0 * ((n * 0.25 + push) - push)};
}

// On [-pi/4, pi/4], errors 2^-47 and 2^-43.
KERASISH_INLINE f64v sin_30(f64v r) {
  const f64v z = r * r;
  f64v s = splat(-0x1.a9648d7349304p-26);
  s = fma(s, z, splat(0x1.71d776ab743b2p-19));
  s = fma(s, z, splat(-0x1.a019f94ef4141p-13));
  s = fma(s, z, splat(0x1.1111110c9a35bp-7));
  s = fma(s, z, splat(-0x1.5555555552386p-3));
  return fma(s * z, r, r);
}
KERASISH_INLINE f64v cos_30(f64v r) {
  const f64v z = r * r;
  f64v c = splat(-0x1.2429098be1acap-22);
  c = fma(c, z, splat(0x1.a011178ebb340p-16));
  c = fma(c, z, splat(-0x1.6c16b88bf518dp-10));
  c = fma(c, z, splat(0x1.5555554f42909p-5));
  return fma(c * z, z, fma(splat(-0.5), z, splat(1.0)));
}

// arctan on [0, 1]: x + x z p(z), relative error 2^-31.
KERASISH_INLINE f64v arctan_unit_30(f64v x) {
  const f64v z = x * x;
  f64v p = splat(0x1.23f8f4dcaf6ebp-10);
  p = fma(p, z, splat(-0x1.df96c2f4d6560p-8));
  p = fma(p, z, splat(0x1.714af61309ba9p-6));
  p = fma(p, z, splat(-0x1.6e198ba4a8168p-5));
  p = fma(p, z, splat(0x1.1422bfec69625p-4));
  p = fma(p, z, splat(-0x1.68e6fb0794e27p-4));
  p = fma(p, z, splat(0x1.c4f1e08f03900p-4));
  p = fma(p, z, splat(-0x1.2473737112cdcp-3));
  p = fma(p, z, splat(0x1.9997e02fc758bp-3));
  p = fma(p, z, splat(-0x1.55555104067ffp-2));
  return fma(p * z, x, x);
}

// x to the y for values that are float32: infinities, zeros and NaN as pow of C has them.
KERASISH_INLINE f64v power_30(f64v x, f64v y) {
  const f64v a = absolute(x), infinity = splat(HUGE_VAL);
  f64v result = exp(y * log(a));
  // Floats from 2^24 on are even integers.
  const f64v near = (y + push) - push, half = (y * 0.5 + push) - push;
  const i64v large = absolute(y) >= 16777216.0, whole = large | (near == y), odd = ~large & whole & (half + half != y);
  const i64v negative = (i64v)x < 0;
  result = (f64v)((i64v)result | (negative & odd & static_cast<std::int64_t>(0x8000000000000000)));
  result = (negative & ~whole & (a > 0) & (a < infinity)) != 0 ? infinity - infinity : result;
  result = ((a == 1) & (absolute(y) == infinity)) != 0 ? splat(1.0) : result;
  return ((y == 0) | (x == 1)) != 0 ? splat(1.0) : result;
}

// The angle of (x, y) in [-pi, pi], signs of zero and infinities as atan2 of C has them. NaN if either is NaN.
KERASISH_INLINE f64v arctan2_30(f64v y, f64v x) {
  const f64v a = absolute(x), b = absolute(y), infinity = splat(HUGE_VAL);
  const f64v larger = a > b ? a : b, smaller = a > b ? b : a;
  f64v ratio = larger == infinity ? (smaller == infinity ? splat(1.0) : f64v{}) : smaller / larger;
  ratio = larger == 0 ? f64v{} : ratio;
  const f64v unit = arctan_unit_30(ratio);
  const f64v upper = b > a ? 1.5707963267948966 - unit : unit;
  const f64v whole = (i64v)x < 0 ? 3.1415926535897931 - upper : upper;
  return x != x || y != y ? x + y : with_sign(whole, y);
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
