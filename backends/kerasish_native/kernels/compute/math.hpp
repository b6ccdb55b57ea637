// Vector functions of float32. Accuracy is stated in units in the last place (ULP) of the result, as measured by
// tests/native/kernels/test_vector_math.py on every instruction set.
//
// Polynomials are minimax fits (Remez exchange in 50 digits, coefficients then rounded to float32 one by one, lowest power
// first, refitting the rest), of the relative error of the function on the stated interval.
#pragma once

#include "math_f64.hpp"

namespace kerasish {
namespace KERASISH_ISA {

KERASISH_INLINE f32v absolute(f32v x) { return (f32v)((i32v)x & 0x7fffffff); }
// |x| with the sign of s.
KERASISH_INLINE f32v with_sign(f32v x, f32v s) {
  return (f32v)(((i32v)x & 0x7fffffff) | ((i32v)s & static_cast<std::int32_t>(0x80000000)));
}
// The smaller or larger; x where x is NaN.
KERASISH_INLINE f32v at_most(f32v x, float bound) { return x > bound ? splat(bound) : x; }
KERASISH_INLINE f32v at_least(f32v x, float bound) { return x < bound ? splat(bound) : x; }

// To the nearest integer, for |x| < 2^22: 1.5 * 2^23 pushes the fraction out.
KERASISH_INLINE f32v nearest_small(f32v x) { return (x + 12582912.0f) - 12582912.0f; }

// 2^n for whole n in [-126, 127].
KERASISH_INLINE f32v power_of_two(f32v n) { return (f32v)((__builtin_convertvector(n, i32v) + 127) << 23); }

// x * 2^n for whole n in [-252, 254], rounded once.
KERASISH_INLINE f32v scale(f32v x, f32v n) {
#if defined(__AVX512F__)
  return (f32v)_mm512_maskz_scalef_round_ps(0xffff, (__m512)x, (__m512)n, _MM_FROUND_CUR_DIRECTION);
#else
  const f32v half = nearest_small(n * 0.5f);
  return x * power_of_two(half) * power_of_two(n - half);
#endif
}

// x = n ln 2 + r with |r| <= ln 2 / 2 (W. J. Cody and W. Waite, "Software manual for the elementary functions", 1980): the
// first part of ln 2 has 15 bits, so that n times it is exact.
struct ExpParts {
  f32v n, r;
};
KERASISH_INLINE ExpParts exp_parts(f32v x) {
  const f32v n = nearest_small(x * 1.44269504f);
  f32v r = fma(n, splat(-0.693145751953125f), x);
  return {n, fma(n, splat(-1.42860677e-6f), r)};
}

// e^r on [-ln 2 / 2, ln 2 / 2]: 1 + r + r^2 q(r), relative error 2^-28.2. `careful` adds r to 1 without loss.
template <bool careful = false>
KERASISH_INLINE f32v exp_near_zero(f32v r) {
  f32v q = splat(1.3922045e-3f);
  q = fma(q, r, splat(8.369306e-3f));
  q = fma(q, r, splat(4.1666582e-2f));
  q = fma(q, r, splat(0.16666515f));
  q = fma(q, r, splat(0.5f));
  if (careful) {
    const f32v sum = 1.0f + r;
    return sum + fma(q, r * r, r - (sum - 1.0f));
  }
  return fma(q, r * r, r) + 1.0f;
}

// e^x, 1.1 ULP, subnormal results included.
template <bool careful = false>
KERASISH_INLINE f32v exp(f32v x) {
  const ExpParts p = exp_parts(at_least(at_most(x, 89.0f), -104.5f));
  return scale(exp_near_zero<careful>(p.r), p.n);
}

// e^x - 1, 1.5 ULP. e^r - 1 = r + r^2 q(r) with relative error 2^-31; 2^n (e^r - 1) + (2^n - 1), halved so that n may be 128.
KERASISH_INLINE f32v expm1(f32v x) {
  const ExpParts p = exp_parts(at_least(at_most(x, 89.0f), -20.0f));
  f32v q = splat(1.9664523e-4f);
  q = fma(q, p.r, splat(1.3935047e-3f));
  q = fma(q, p.r, splat(8.333643e-3f));
  q = fma(q, p.r, splat(4.1666467e-2f));
  q = fma(q, p.r, splat(0.16666666f));
  q = fma(q, p.r, splat(0.5f));
  const f32v near = fma(q, p.r * p.r, p.r);
  const f32v half = power_of_two(p.n - 1.0f);
  const f32v y = 2.0f * fma(half, near, half - 0.5f);
  return absolute(x) < 1e-8f ? x : y;  // keeps the sign of zero
}

// m in [sqrt(1/2), sqrt 2) and e with x = m 2^e, for positive normal x.
struct LogParts {
  f32v m, e;
};
KERASISH_INLINE LogParts log_parts(f32v x) {
  const u32v offset = (u32v)x - 0x3f3504f3u;  // the bits of sqrt(1/2)
  return {(f32v)((u32v)x - (offset & 0xff800000u)), __builtin_convertvector((i32v)offset >> 23, f32v)};
}

// ln(1 + f) + e ln 2 for f in [sqrt(1/2) - 1, sqrt 2 - 1]: f - f^2/2 + f^3 q(f), relative error 2^-30.
KERASISH_INLINE f32v log_from(f32v f, f32v e) {
  f32v q = splat(0.06781191f);
  q = fma(q, f, splat(-0.116721496f));
  q = fma(q, f, splat(0.11873291f));
  q = fma(q, f, splat(-0.12406411f));
  q = fma(q, f, splat(0.14221479f));
  q = fma(q, f, splat(-0.16667886f));
  q = fma(q, f, splat(0.2000203f));
  q = fma(q, f, splat(-0.25000015f));
  q = fma(q, f, splat(0.33333313f));
  const f32v square = f * f;
  f32v y = square * f * q;
  y = fma(e, splat(1.42860677e-6f), y);
  y = fma(square, splat(-0.5f), y);
  return fma(e, splat(0.693145751953125f), f + y);
}

// What is no logarithm of a positive finite number: ln 0 = -inf, below NaN, ln inf = inf, NaN stays.
KERASISH_INLINE f32v log_special(f32v x, f32v y) {
  const f32v infinity = splat(HUGE_VALF);
  y = x < infinity ? y : x;
  y = x < 0 ? infinity - infinity : y;
  return x == 0 ? -infinity : y;
}

// ln x, 1 ULP.
KERASISH_INLINE f32v log(f32v x) {
  const i32v small = x < 1.17549435e-38f;  // subnormals: 2^23 makes them normal
  const LogParts p = log_parts(small ? x * 8388608.0f : x);
  return log_special(x, log_from(p.m - 1.0f, small ? p.e - 23.0f : p.e));
}

// ln(1 + x), 1.5 ULP. c is what u = 1 + x lost by rounding; it matters only while 2^e is small.
KERASISH_INLINE f32v log1p(f32v x) {
  const f32v u = 1.0f + x;
  const LogParts p = log_parts(u);
  const f32v c = x > 1.0f ? 1.0f - (u - x) : x - (u - 1.0f);
  const f32v scaled = c * power_of_two(-at_most(p.e, 100.0f));
  const f32v y = log_special(u, log_from((p.m - 1.0f) + scaled, p.e));
  return x == 0 ? x : y;
}

// tanh x, 1.5 ULP: x + x^3 q(x^2) below 0.625 (relative error 2^-27.7), 1 - 2 / (e^2x + 1) above; 1 from 9.02 on.
KERASISH_INLINE f32v tanh(f32v x) {
  const f32v a = absolute(x), z = x * x;
  f32v q = splat(-5.6931446e-3f);
  q = fma(q, z, splat(2.0628443e-2f));
  q = fma(q, z, splat(-5.3736515e-2f));
  q = fma(q, z, splat(0.13331406f));
  q = fma(q, z, splat(-0.3333328f));
  const f32v near = fma(z * q, a, a);
  const ExpParts p = exp_parts(2.0f * at_most(a, 10.0f));
  const f32v e = exp_near_zero(p.r) * power_of_two(p.n);
  const f32v far = 1.0f - 2.0f / (e + 1.0f);
  return with_sign(a < 0.625f ? near : far, x);
}

// 1 / (1 + e^-x), 2 ULP, subnormal results included.
KERASISH_INLINE f32v sigmoid(f32v x) {
  const f32v e = exp<true>(-absolute(x));
  return (x >= 0 ? splat(1.0f) : e) / (1.0f + e);
}

// Error function, 1.3 ULP: x + x p(x^2) below 0.92 (relative error 2^-30); above, 1 - e^q(x), where q is ln erfc(x) (error of
// the result 2^-29.3); 1 from 3.92 on.
KERASISH_INLINE f32v erf(f32v x) {
  const f32v a = absolute(x), z = x * x;
  f32v p = splat(7.9950485e-5f);
  p = fma(p, z, splat(-8.049515e-4f));
  p = fma(p, z, splat(5.1923925e-3f));
  p = fma(p, z, splat(-2.685573e-2f));
  p = fma(p, z, splat(0.11283626f));
  p = fma(p, z, splat(-0.3761263f));
  p = fma(p, z, splat(0.12837917f));
  const f32v near = fma(p, x, x);
  const f32v c = at_most(a, 4.0f);
  f32v q = splat(1.9495373e-4f);
  q = fma(q, c, splat(-3.0337346e-3f));
  q = fma(q, c, splat(2.218987e-2f));
  q = fma(q, c, splat(-0.10385646f));
  q = fma(q, c, splat(-0.63726574f));
  q = fma(q, c, splat(-1.1276274f));
  q = fma(q, c, splat(-2.0702044e-4f));
  const ExpParts e = exp_parts(q);
  const f32v far = with_sign(1.0f - exp_near_zero(e.r) * power_of_two(e.n), x);
  return a < 0.92f ? near : far;
}

// Whether any lane of a mask is set.
KERASISH_INLINE bool any(i32v mask) {
#if defined(__AVX512F__)
  return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_ps((__m256)mask) != 0;
#else
  return (mask[0] | mask[1] | mask[2] | mask[3]) != 0;
#endif
}

// x = n pi/2 + r with |r| <= pi/4 for |x| < 2^27, reduced in float64; n modulo 4. Other lanes give 0.
struct Quadrant {
  f32v r;
  i32v n, beyond;
};
KERASISH_INLINE Quadrant quadrant(f32v x) {
  const i32v beyond = !(absolute(x) < 134217728.0f);
  const f32v inside = beyond ? f32v{} : x;
  const Quadrant64 low = quadrant(low_half(inside)), high = quadrant(high_half(inside));
  return {joined(low.r, high.r), __builtin_convertvector(joined(low.n, high.n), i32v), beyond};
}

// sin r = r + r z S(z), cos r = 1 - z/2 + z^2 C(z) with z = r^2 on [-pi/4, pi/4]: errors 2^-32.5 and 2^-33.
KERASISH_INLINE f32v sin_near_zero(f32v r) {
  const f32v z = r * r;
  f32v s = splat(2.837247e-6f);
  s = fma(s, z, splat(-1.9853498e-4f));
  s = fma(s, z, splat(8.33338e-3f));
  s = fma(s, z, splat(-0.16666667f));
  return fma(s * z, r, r);
}
KERASISH_INLINE f32v cos_near_zero(f32v r) {
  const f32v z = r * r;
  f32v c = splat(2.443067e-5f);
  c = fma(c, z, splat(-1.3887301e-3f));
  c = fma(c, z, splat(4.1666646e-2f));
  return fma(c * z, z, fma(splat(-0.5f), z, splat(1.0f)));
}

// sin(x + turns pi/2), 1.5 ULP; from 2^27 on the C library's.
template <int turns>
KERASISH_INLINE f32v sine(f32v x) {
  const Quadrant q = quadrant(x);
  const i32v n = q.n + turns;
  f32v y = (n & 1) != 0 ? cos_near_zero(q.r) : sin_near_zero(q.r);
  y = (f32v)((i32v)y ^ ((n & 2) << 30));
  if (any(q.beyond)) {
    for (int i = 0; i < f32_lanes; ++i) {
      if (q.beyond[i]) y[i] = turns == 0 ? std::sin(x[i]) : std::cos(x[i]);
    }
  }
  return x == 0 ? (turns == 0 ? x : splat(1.0f)) : y;
}
KERASISH_INLINE f32v sin(f32v x) { return sine<0>(x); }
KERASISH_INLINE f32v cos(f32v x) { return sine<1>(x); }

// The functions below compute both halves of a vector in float64: 1 ULP.
#define KERASISH_BY_HALVES(name, body)                              \
  KERASISH_INLINE f64v name##_30(f64v x) { body }                   \
  KERASISH_INLINE f32v name(f32v x) { return joined(name##_30(low_half(x)), name##_30(high_half(x))); }

KERASISH_BY_HALVES(arctan, return arctan2_30(x, splat(1.0));)
KERASISH_BY_HALVES(arcsin, return arctan2_30(x, root((1.0 - x) * (1.0 + x)));)
KERASISH_BY_HALVES(arccos, return arctan2_30(root((1.0 - x) * (1.0 + x)), x);)
// Below 2^-10 two terms of the series are exact to 40 bits, where the general formulas cancel.
KERASISH_BY_HALVES(sinh, const f64v e = exp(absolute(x)); const f64v y = 0.5 * with_sign(e - 1.0 / e, x);
                   return absolute(x) < 0x1p-10 ? fma(x * x * x, splat(1.0 / 6), x) : y;)
KERASISH_BY_HALVES(cosh, const f64v e = exp(absolute(x)); return 0.5 * (e + 1.0 / e);)
KERASISH_BY_HALVES(arcsinh, const f64v a = absolute(x); const f64v y = log(a + root(fma(a, a, splat(1.0))));
                   return with_sign(a < 0x1p-10 ? fma(a * a * a, splat(-1.0 / 6), a) : y, x);)
KERASISH_BY_HALVES(arccosh, return log(x + root(x - 1.0) * root(x + 1.0));)
KERASISH_BY_HALVES(arctanh, const f64v y = 0.5 * log((1.0 + x) / (1.0 - x));
                   return absolute(x) < 0x1p-10 ? fma(x * x * x, splat(1.0 / 3), x) : y;)
#undef KERASISH_BY_HALVES

KERASISH_INLINE f64v tan_30(f64v x) {
  const Quadrant64 q = quadrant(x);
  const f64v s = sin_30(q.r), c = cos_30(q.r);
  return absolute(q.n) == 1.0 ? -c / s : s / c;
}
// From 2^27 on the C library's.
KERASISH_INLINE f32v tan(f32v x) {
  f32v y = joined(tan_30(low_half(x)), tan_30(high_half(x)));
  const i32v beyond = !(absolute(x) < 134217728.0f);
  if (any(beyond)) {
    for (int i = 0; i < f32_lanes; ++i) {
      if (beyond[i]) y[i] = std::tan(x[i]);
    }
  }
  return x == 0 ? x : y;
}

KERASISH_INLINE f32v arctan2(f32v y, f32v x) {
  return joined(arctan2_30(low_half(y), low_half(x)), arctan2_30(high_half(y), high_half(x)));
}
KERASISH_INLINE f32v power(f32v x, f32v y) {
  return joined(power_30(low_half(x), low_half(y)), power_30(high_half(x), high_half(y)));
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
