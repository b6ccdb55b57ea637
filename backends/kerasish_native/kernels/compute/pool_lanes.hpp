// Vectors over the channels of pooled arrays, for every type an array may hold.
#pragma once

#include <limits>
#include <type_traits>

#include "half.hpp"

namespace kerasish {
namespace KERASISH_ISA {

// Vectors of storage type S as they are in registers: 16-bit floats are float32 there.
template <class S>
struct Lanes {
  using number = S;
  typedef S vector __attribute__((vector_size(vector_bytes)));
  static constexpr int count = vector_bytes / static_cast<int>(sizeof(S));
  static KERASISH_INLINE vector get(const S* p) {
    vector v;
    std::memcpy(&v, p, sizeof v);
    return v;
  }
  static KERASISH_INLINE vector get(const S* p, int lanes) {
    vector v{};
    std::memcpy(&v, p, sizeof(S) * static_cast<unsigned>(lanes));
    return v;
  }
  static KERASISH_INLINE void put(S* p, vector v) { std::memcpy(p, &v, sizeof v); }
  static KERASISH_INLINE void put(S* p, vector v, int lanes) {
    std::memcpy(p, &v, sizeof(S) * static_cast<unsigned>(lanes));
  }
};

template <class S, class N, class V>
struct FloatLanes {
  using number = N;
  using vector = V;
  static constexpr int count = static_cast<int>(sizeof(V) / sizeof(N));
  static KERASISH_INLINE vector get(const S* p) { return load(p); }
  static KERASISH_INLINE vector get(const S* p, int lanes) { return load_some(p, lanes); }
  static KERASISH_INLINE void put(S* p, vector v) { store(p, v); }
  static KERASISH_INLINE void put(S* p, vector v, int lanes) { store_some(p, v, lanes); }
};
template <> struct Lanes<float> : FloatLanes<float, float, f32v> {};
template <> struct Lanes<double> : FloatLanes<double, double, f64v> {};
template <> struct Lanes<Half> : FloatLanes<Half, float, f32v> {};
template <> struct Lanes<Bfloat> : FloatLanes<Bfloat, float, f32v> {};

template <class V>
using MaskOf = decltype(V{} == V{});

template <class V>
constexpr bool holds_floats = std::is_floating_point<std::remove_reference_t<decltype(V{}[0])>>::value;

// The compiler would fold a load into the selection that follows: a masked load, many times slower than a plain one.
template <class V>
KERASISH_INLINE V loaded(V x) {
#if defined(__AVX512F__)
  asm("" : "+v"(x));
#endif
  return x;
}

// The largest of the numbers read(0) ... read(count - 1) of each lane; NaN if there is one.
template <class V, class Read>
KERASISH_INLINE V largest(std::int64_t count, Read read) {
  V best = read(0);
  if constexpr (holds_floats<V>) {
    MaskOf<V> nan = best != best;  // kept apart: the chain of comparisons is then short
    for (std::int64_t t = 1; t < count; ++t) {
      const V x = read(t);
      nan |= x != x;
      best = x > best ? x : best;
    }
    return nan ? best * std::numeric_limits<std::remove_reference_t<decltype(V{}[0])>>::quiet_NaN() : best;
  } else {
    for (std::int64_t t = 1; t < count; ++t) {
      const V x = read(t);
      best = x > best ? x : best;
    }
    return best;
  }
}

// The number of the first of the largest in each lane; NaN counts as largest.
template <class V, class Read>
KERASISH_INLINE MaskOf<V> first_largest(std::int64_t count, Read read) {
  static_assert(holds_floats<V>, "gradients are floats");
  const V best = largest<V>(count, read);
  MaskOf<V> number{};
  for (std::int64_t t = count; t-- > 0;) {
    const V x = read(t);
    number = (x == best) | (x != x) ? MaskOf<V>{} + static_cast<int>(t) : number;
  }
  return number;
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
