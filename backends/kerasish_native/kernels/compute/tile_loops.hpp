// Loops of tile kernels: over vectors for float32 and float64, left to the compiler for the other types.
#pragma once

#include <cmath>
#include <type_traits>

#include "../families/tile.hpp"
#include "tile_masks.hpp"
#include "simd.hpp"

namespace kerasish {
namespace KERASISH_ISA {

using i64 = std::int64_t;


template <class T> struct Vectors;
template <> struct Vectors<float> {
  using V = f32v;
  static constexpr int lanes = f32_lanes;
};
template <> struct Vectors<double> {
  using V = f64v;
  static constexpr int lanes = f64_lanes;
};

// The first `count` lanes, the others zero; nothing beyond them is touched.
KERASISH_INLINE f32v load_part(const float* p, int count) { return load_some(p, count); }
KERASISH_INLINE void store_part(float* p, f32v v, int count) { store_some(p, v, count); }
KERASISH_INLINE f64v load_part(const double* p, int count) {
#if defined(__AVX512F__)
  return (f64v)_mm512_maskz_loadu_pd((__mmask8)((1u << count) - 1u), p);
#else
  f64v v{};
  std::memcpy(&v, p, sizeof(double) * static_cast<unsigned>(count));
  return v;
#endif
}
KERASISH_INLINE void store_part(double* p, f64v v, int count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_pd(p, (__mmask8)((1u << count) - 1u), (__m512d)v);
#else
  std::memcpy(p, &v, sizeof(double) * static_cast<unsigned>(count));
#endif
}

// Where a kernel reads operand k of row i: successive elements, or one value for all.
template <class T, bool one>
struct Operand {
  using V = typename Vectors<T>::V;
  const T* p;
  V value;
  KERASISH_INLINE Operand(const TileCall& t, int k, i64 i) : p(static_cast<const T*>(t.in[k]) + i * t.pitch[k]) {
    if (one) value = splat(*p);
  }
  KERASISH_INLINE V at(i64 j) const { return one ? value : load(p + j); }
  KERASISH_INLINE V part(i64 j, int count) const { return one ? value : load_part(p + j, count); }
};

template <class T, class F>
void map1(const TileCall& t) {
  constexpr int L = Vectors<T>::lanes;
  for (i64 i = 0; i < t.rows; ++i) {
    T* out = static_cast<T*>(t.out) + i * t.out_pitch;
    const Operand<T, false> a(t, 0, i);
    const i64 n = t.cols;
    i64 j = 0;
    for (; j + 2 * L <= n; j += 2 * L) {
      const auto x = F::apply(a.at(j)), y = F::apply(a.at(j + L));
      store(out + j, x);
      store(out + j + L, y);
    }
    for (; j + L <= n; j += L) store(out + j, F::apply(a.at(j)));
    const int rest = static_cast<int>(n - j);
    if (rest > 0) store_part(out + j, F::apply(a.part(j, rest)), rest);
  }
}

template <class T, class F, int mode>
void map2(const TileCall& t) {
  constexpr int L = Vectors<T>::lanes;
  for (i64 i = 0; i < t.rows; ++i) {
    T* out = static_cast<T*>(t.out) + i * t.out_pitch;
    const Operand<T, (mode & 1) != 0> a(t, 0, i);
    const Operand<T, (mode & 2) != 0> b(t, 1, i);
    const i64 n = t.cols;
    i64 j = 0;
    for (; j + 2 * L <= n; j += 2 * L) {
      const auto x = F::apply(a.at(j), b.at(j)), y = F::apply(a.at(j + L), b.at(j + L));
      store(out + j, x);
      store(out + j + L, y);
    }
    for (; j + L <= n; j += L) store(out + j, F::apply(a.at(j), b.at(j)));
    const int rest = static_cast<int>(n - j);
    if (rest > 0) store_part(out + j, F::apply(a.part(j, rest), b.part(j, rest)), rest);
  }
}

template <class T, class F, int mode>
void map3(const TileCall& t) {
  constexpr int L = Vectors<T>::lanes;
  for (i64 i = 0; i < t.rows; ++i) {
    T* out = static_cast<T*>(t.out) + i * t.out_pitch;
    const Operand<T, (mode & 1) != 0> a(t, 0, i);
    const Operand<T, (mode & 2) != 0> b(t, 1, i);
    const Operand<T, (mode & 4) != 0> c(t, 2, i);
    const i64 n = t.cols;
    i64 j = 0;
    for (; j + 2 * L <= n; j += 2 * L) {
      const auto x = F::apply(a.at(j), b.at(j), c.at(j)), y = F::apply(a.at(j + L), b.at(j + L), c.at(j + L));
      store(out + j, x);
      store(out + j + L, y);
    }
    for (; j + L <= n; j += L) store(out + j, F::apply(a.at(j), b.at(j), c.at(j)));
    const int rest = static_cast<int>(n - j);
    if (rest > 0) store_part(out + j, F::apply(a.part(j, rest), b.part(j, rest), c.part(j, rest)), rest);
  }
}

// Results are bools: F gives a mask.
template <class T, class F>
void test1(const TileCall& t) {
  constexpr int L = Vectors<T>::lanes;
  for (i64 i = 0; i < t.rows; ++i) {
    std::uint8_t* out = static_cast<std::uint8_t*>(t.out) + i * t.out_pitch;
    const Operand<T, false> a(t, 0, i);
    const i64 n = t.cols;
    i64 j = 0;
    for (; j + L <= n; j += L) store_bools<T>(out + j, F::apply(a.at(j)), L);
    const int rest = static_cast<int>(n - j);
    if (rest > 0) store_bools<T>(out + j, F::apply(a.part(j, rest)), rest);
  }
}
template <class T, class F, int mode>
void test2(const TileCall& t) {
  constexpr int L = Vectors<T>::lanes;
  for (i64 i = 0; i < t.rows; ++i) {
    std::uint8_t* out = static_cast<std::uint8_t*>(t.out) + i * t.out_pitch;
    const Operand<T, (mode & 1) != 0> a(t, 0, i);
    const Operand<T, (mode & 2) != 0> b(t, 1, i);
    const i64 n = t.cols;
    i64 j = 0;
    for (; j + 2 * L <= n; j += 2 * L) {
      const auto x = F::apply(a.at(j), b.at(j)), y = F::apply(a.at(j + L), b.at(j + L));
      store_bools<T>(out + j, x, L);
      store_bools<T>(out + j + L, y, L);
    }
    for (; j + L <= n; j += L) store_bools<T>(out + j, F::apply(a.at(j), b.at(j)), L);
    const int rest = static_cast<int>(n - j);
    if (rest > 0) store_bools<T>(out + j, F::apply(a.part(j, rest), b.part(j, rest)), rest);
  }
}

// Plain loops. The compiler vectorises them; iterations are independent (an operand may be the result's memory, element
// for element).
template <class T, class R, class F>
void plain1(const TileCall& t) {
  for (i64 i = 0; i < t.rows; ++i) {
    R* out = static_cast<R*>(t.out) + i * t.out_pitch;
    const T* a = static_cast<const T*>(t.in[0]) + i * t.pitch[0];
    const i64 n = t.cols;
#pragma GCC ivdep
    for (i64 j = 0; j < n; ++j) out[j] = F::apply(a[j]);
  }
}

template <class T, class R, class F, int mode>
void plain2(const TileCall& t) {
  for (i64 i = 0; i < t.rows; ++i) {
    R* out = static_cast<R*>(t.out) + i * t.out_pitch;
    const T* a = static_cast<const T*>(t.in[0]) + i * t.pitch[0];
    const T* b = static_cast<const T*>(t.in[1]) + i * t.pitch[1];
    const i64 n = t.cols;
    if (mode == 0) {
#pragma GCC ivdep
      for (i64 j = 0; j < n; ++j) out[j] = F::apply(a[j], b[j]);
    } else if (mode == 1) {
      const T x = *a;
#pragma GCC ivdep
      for (i64 j = 0; j < n; ++j) out[j] = F::apply(x, b[j]);
    } else {
      const T y = *b;
#pragma GCC ivdep
      for (i64 j = 0; j < n; ++j) out[j] = F::apply(a[j], y);
    }
  }
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
