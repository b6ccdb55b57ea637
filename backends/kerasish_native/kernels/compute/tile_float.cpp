// Arithmetic of float32 and float64 tiles.
#include "tile_fill.hpp"
#include "tile_loops.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

#define KERASISH_RULE1(Name, ...) \
  struct Name { template <class V> KERASISH_INLINE static V apply(V a) { return __VA_ARGS__; } }
#define KERASISH_RULE2(Name, ...) \
  struct Name { template <class V> KERASISH_INLINE static V apply(V a, V b) { return __VA_ARGS__; } }
#define KERASISH_RULE3(Name, ...) \
  struct Name { template <class V> KERASISH_INLINE static V apply(V a, V b, V c) { return __VA_ARGS__; } }
// The larger or smaller; NaN if either is NaN: the comparison fails for NaN and gives a, which leaves the case of b.
struct Maximum {
  template <class V> KERASISH_INLINE static V apply(V a, V b) {
    const V larger = select(compare<Comparison::greater>(b, a), b, a);
    return select(compare<Comparison::not_equal>(b, b), b, larger);
  }
};
struct Minimum {
  template <class V> KERASISH_INLINE static V apply(V a, V b) {
    const V smaller = select(compare<Comparison::less>(b, a), b, a);
    return select(compare<Comparison::not_equal>(b, b), b, smaller);
  }
};
template <Comparison c>
struct Compare {
  template <class V> KERASISH_INLINE static auto apply(V a, V b) { return compare<c>(a, b); }
};

KERASISH_RULE1(Negative, -a);
KERASISH_RULE1(Square, a * a);
KERASISH_RULE1(Reciprocal, 1 / a);
KERASISH_RULE2(Add, a + b);
KERASISH_RULE2(Subtract, a - b);
KERASISH_RULE2(Multiply, a * b);
KERASISH_RULE2(Divide, a / b);
// Two roundings, as the separate operations have.
KERASISH_RULE3(MultiplyAdd, a * b + c);
KERASISH_RULE3(MultiplySubtract, a * b - c);
KERASISH_RULE3(SubtractMultiply, c - a * b);
KERASISH_RULE3(AddMultiply, (a + b) * c);
KERASISH_RULE3(MinusMultiply, (a - b) * c);
KERASISH_RULE3(AddAdd, (a + b) + c);
KERASISH_RULE3(AddSubtract, (a + b) - c);
KERASISH_RULE3(SubtractAdd, (a - b) + c);
KERASISH_RULE3(MultiplyMultiply, (a * b) * c);

struct SqrtAdd {
  template <class V> KERASISH_INLINE static V apply(V a, V b) { return root(a) + b; }
};
struct AddSqrt {
  template <class V> KERASISH_INLINE static V apply(V a, V b) { return root(a + b); }
};
KERASISH_RULE3(Toward, a + (b - a) * c);
KERASISH_RULE3(TowardSquare, a + (b * b - a) * c);

// a - b * c / d with c one value for all (mode 4) or not.
template <class T, int mode>
void subtract_quotient(const TileCall& t) {
  constexpr int L = Vectors<T>::lanes;
  for (i64 i = 0; i < t.rows; ++i) {
    T* out = static_cast<T*>(t.out) + i * t.out_pitch;
    const Operand<T, false> a(t, 0, i), b(t, 1, i), d(t, 3, i);
    const Operand<T, (mode & 4) != 0> c(t, 2, i);
    const i64 n = t.cols;
    i64 j = 0;
    for (; j + 2 * L <= n; j += 2 * L) {
      const auto x = a.at(j) - b.at(j) * c.at(j) / d.at(j);
      const auto y = a.at(j + L) - b.at(j + L) * c.at(j + L) / d.at(j + L);
      store(out + j, x);
      store(out + j + L, y);
    }
    for (; j + L <= n; j += L) store(out + j, a.at(j) - b.at(j) * c.at(j) / d.at(j));
    const int rest = static_cast<int>(n - j);
    if (rest > 0) store_part(out + j, a.part(j, rest) - b.part(j, rest) * c.part(j, rest) / d.part(j, rest), rest);
  }
}

#define KERASISH_TEST1(Name, ...) \
  struct Name { template <class V> KERASISH_INLINE static auto apply(V a) { return __VA_ARGS__; } }
KERASISH_TEST1(IsNan, compare<Comparison::not_equal>(a, a));
KERASISH_TEST1(IsInf, compare<Comparison::equal>(absolute(a), V{} + HUGE_VALF));
KERASISH_TEST1(IsFinite, compare<Comparison::less>(absolute(a), V{} + HUGE_VALF));

// Rounding to integers: 1 down, 2 up, 3 towards zero, 0 to nearest even (the modes of the instructions).
template <int mode>
struct Round {
#if defined(__AVX512F__)
  KERASISH_INLINE static f32v apply(f32v a) { return (f32v)_mm512_maskz_roundscale_ps(0xffff, (__m512)a, mode); }
  KERASISH_INLINE static f64v apply(f64v a) { return (f64v)_mm512_maskz_roundscale_pd(0xff, (__m512d)a, mode); }
#elif defined(__AVX2__)
  KERASISH_INLINE static f32v apply(f32v a) { return (f32v)_mm256_round_ps((__m256)a, mode); }
  KERASISH_INLINE static f64v apply(f64v a) { return (f64v)_mm256_round_pd((__m256d)a, mode); }
#else
  template <class V> KERASISH_INLINE static V apply(V a) {
    for (unsigned i = 0; i < sizeof(V) / sizeof(a[0]); ++i) {
      a[i] = mode == 1 ? std::floor(a[i]) : mode == 2 ? std::ceil(a[i]) : mode == 3 ? std::trunc(a[i]) : std::nearbyint(a[i]);
    }
    return a;
  }
#endif
};

struct Sqrt {
  KERASISH_INLINE static f32v apply(f32v a) { return root(a); }
  KERASISH_INLINE static f64v apply(f64v a) { return root(a); }
};
struct Rsqrt {
  KERASISH_INLINE static f32v apply(f32v a) { return 1 / root(a); }
  KERASISH_INLINE static f64v apply(f64v a) { return 1 / root(a); }
};
struct Sign {
  template <class V> KERASISH_INLINE static V apply(V a) { return a > 0 ? V{} + 1 : (a < 0 ? V{} - 1 : a + 0); }
};
KERASISH_RULE1(Abs, absolute(a));

template <class T, class F>
void set1(TileKernels& table, TileOp op, Dtype dtype) {
  entry(table, op, dtype) = map1<T, F>;
}
template <class T, class F>
void set2(TileKernels& table, TileOp op, Dtype dtype) {
  entry(table, op, dtype, 0) = map2<T, F, 0>;
  entry(table, op, dtype, 1) = map2<T, F, 1>;
  entry(table, op, dtype, 2) = map2<T, F, 2>;
}
template <class T, class F>
void set3(TileKernels& table, TileOp op, Dtype dtype) {
  entry(table, op, dtype, 0) = map3<T, F, 0>;
  entry(table, op, dtype, 1) = map3<T, F, 1>;
  entry(table, op, dtype, 2) = map3<T, F, 2>;
  entry(table, op, dtype, 3) = map3<T, F, 3>;
  entry(table, op, dtype, 4) = map3<T, F, 4>;
  entry(table, op, dtype, 5) = map3<T, F, 5>;
  entry(table, op, dtype, 6) = map3<T, F, 6>;
}
template <class T, class F>
void set_test(TileKernels& table, TileOp op, Dtype dtype) {
  entry(table, op, dtype, 0) = test2<T, F, 0>;
  entry(table, op, dtype, 1) = test2<T, F, 1>;
  entry(table, op, dtype, 2) = test2<T, F, 2>;
}

template <class T>
void fill_type(TileKernels& table, Dtype dtype) {
  set1<T, Negative>(table, TileOp::negative, dtype);
  set1<T, Abs>(table, TileOp::abs, dtype);
  set1<T, Sign>(table, TileOp::sign, dtype);
  set1<T, Square>(table, TileOp::square, dtype);
  set1<T, Reciprocal>(table, TileOp::reciprocal, dtype);
  set1<T, Round<1>>(table, TileOp::floor, dtype);
  set1<T, Round<2>>(table, TileOp::ceil, dtype);
  set1<T, Round<3>>(table, TileOp::trunc, dtype);
  set1<T, Round<0>>(table, TileOp::round, dtype);
  entry(table, TileOp::isnan, dtype) = test1<T, IsNan>;
  entry(table, TileOp::isinf, dtype) = test1<T, IsInf>;
  entry(table, TileOp::isfinite, dtype) = test1<T, IsFinite>;
  set1<T, Sqrt>(table, TileOp::sqrt, dtype);
  set1<T, Rsqrt>(table, TileOp::rsqrt, dtype);
  set2<T, Add>(table, TileOp::add, dtype);
  set2<T, Subtract>(table, TileOp::subtract, dtype);
  set2<T, Multiply>(table, TileOp::multiply, dtype);
  set2<T, Divide>(table, TileOp::divide, dtype);
  set2<T, Maximum>(table, TileOp::maximum, dtype);
  set2<T, Minimum>(table, TileOp::minimum, dtype);
  set3<T, MultiplyAdd>(table, TileOp::multiply_add, dtype);
  set3<T, MultiplySubtract>(table, TileOp::multiply_subtract, dtype);
  set3<T, SubtractMultiply>(table, TileOp::subtract_multiply, dtype);
  set3<T, AddMultiply>(table, TileOp::add_multiply, dtype);
  set3<T, MinusMultiply>(table, TileOp::minus_multiply, dtype);
  set3<T, AddAdd>(table, TileOp::add_add, dtype);
  set3<T, AddSubtract>(table, TileOp::add_subtract, dtype);
  set3<T, SubtractAdd>(table, TileOp::subtract_add, dtype);
  set3<T, MultiplyMultiply>(table, TileOp::multiply_multiply, dtype);
  set2<T, SqrtAdd>(table, TileOp::sqrt_add, dtype);
  set2<T, AddSqrt>(table, TileOp::add_sqrt, dtype);
  entry(table, TileOp::toward, dtype, 0) = map3<T, Toward, 0>;
  entry(table, TileOp::toward, dtype, 4) = map3<T, Toward, 4>;
  entry(table, TileOp::toward_square, dtype, 0) = map3<T, TowardSquare, 0>;
  entry(table, TileOp::toward_square, dtype, 4) = map3<T, TowardSquare, 4>;
  entry(table, TileOp::subtract_quotient, dtype, 0) = subtract_quotient<T, 0>;
  entry(table, TileOp::subtract_quotient, dtype, 4) = subtract_quotient<T, 4>;
  set_test<T, Compare<Comparison::equal>>(table, TileOp::equal, dtype);
  set_test<T, Compare<Comparison::not_equal>>(table, TileOp::not_equal, dtype);
  set_test<T, Compare<Comparison::less>>(table, TileOp::less, dtype);
  set_test<T, Compare<Comparison::less_equal>>(table, TileOp::less_equal, dtype);
  set_test<T, Compare<Comparison::greater>>(table, TileOp::greater, dtype);
  set_test<T, Compare<Comparison::greater_equal>>(table, TileOp::greater_equal, dtype);
}

}  // namespace

void fill_tile_float(TileKernels& table) {
  fill_type<float>(table, Dtype::float32);
  fill_type<double>(table, Dtype::float64);
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
