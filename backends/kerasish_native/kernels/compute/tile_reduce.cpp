// Reductions of tiles: of each row, and over rows into accumulators.
//
// Sums of float32 are taken in float32 over short runs (16 to 64 partial sums side by side) and in double beyond, so
// that the error of a long sum is that of its short runs.
#include "tile_fill.hpp"
#include "tile_loops.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

struct Sum {
  template <class V> KERASISH_INLINE static V apply(V a, V b) { return a + b; }
  template <class T> static T first() { return T(0); }
};
struct Prod {
  template <class V> KERASISH_INLINE static V apply(V a, V b) { return a * b; }
  template <class T> static T first() { return T(1); }
};
// NaN if either is NaN: the comparison fails for NaN and gives a, which leaves the case of b. Integers have no NaN.
struct Max {
  template <class T> KERASISH_INLINE static T apply(T a, T b) { return b != b ? b : (b > a ? b : a); }
  KERASISH_INLINE static f32v apply(f32v a, f32v b) { return larger(a, b); }
  KERASISH_INLINE static f64v apply(f64v a, f64v b) { return larger(a, b); }
  template <class V> KERASISH_INLINE static V larger(V a, V b) {
    return select(compare<Comparison::not_equal>(b, b), b, select(compare<Comparison::greater>(b, a), b, a));
  }
};
struct Min {
  template <class T> KERASISH_INLINE static T apply(T a, T b) { return b != b ? b : (b < a ? b : a); }
  KERASISH_INLINE static f32v apply(f32v a, f32v b) { return smaller(a, b); }
  KERASISH_INLINE static f64v apply(f64v a, f64v b) { return smaller(a, b); }
  template <class V> KERASISH_INLINE static V smaller(V a, V b) {
    return select(compare<Comparison::not_equal>(b, b), b, select(compare<Comparison::less>(b, a), b, a));
  }
};

// What changes no result: fills vectors beyond the end of a row.
template <class F>
constexpr float identity() {
  return std::is_same_v<F, Sum> ? 0.0f : std::is_same_v<F, Prod> ? 1.0f : std::is_same_v<F, Max> ? -HUGE_VALF : HUGE_VALF;
}
KERASISH_INLINE f32v keep_first(f32v v, int count, f32v rest) {
#if defined(__AVX512F__)
  return select((__mmask16)((1u << count) - 1u), v, rest);
#else
  for (int k = count; k < f32_lanes; ++k) v[k] = rest[k];
  return v;
#endif
}

constexpr i64 run = 1024;  // elements summed in float32 before double takes over

// Where a reduction reads: an operand, or the products of two. Positions are a row's offset and a column.
template <class T>
struct Single {
  const T* p;
  i64 pitch;
  KERASISH_INLINE Single(const TileCall& t, i64 i) : p(static_cast<const T*>(t.in[0]) + i * t.pitch[0]), pitch(t.pitch[0]) {}
  KERASISH_INLINE T one(i64 j) const { return p[j]; }
  KERASISH_INLINE auto at(i64 j) const { return load(p + j); }
  KERASISH_INLINE auto part(i64 j, int count) const { return load_part(p + j, count); }
  KERASISH_INLINE void down(i64 rows) { p += rows * pitch; }
};
template <class T>
struct Product {
  const T *p, *q;
  i64 pitch, pitch_q;
  KERASISH_INLINE Product(const TileCall& t, i64 i)
      : p(static_cast<const T*>(t.in[0]) + i * t.pitch[0]), q(static_cast<const T*>(t.in[1]) + i * t.pitch[1]),
        pitch(t.pitch[0]), pitch_q(t.pitch[1]) {}
  KERASISH_INLINE T one(i64 j) const { return p[j] * q[j]; }
  KERASISH_INLINE auto at(i64 j) const { return load(p + j) * load(q + j); }
  KERASISH_INLINE auto part(i64 j, int count) const { return load_part(p + j, count) * load_part(q + j, count); }
  KERASISH_INLINE void down(i64 rows) {
    p += rows * pitch;
    q += rows * pitch_q;
  }
};

// A whole number of vectors of a row as one vector, four partial results a lane; `end` becomes how far that is.
template <class T, class F, class In>
KERASISH_INLINE typename Vectors<T>::V reduce_vectors(const In& p, i64 begin, i64 n, i64& end) {
  constexpr int L = Vectors<T>::lanes;
  auto a = p.at(begin);
  i64 j = begin + L;
  if (n - begin >= 4 * L) {
    auto b = p.at(begin + L), c = p.at(begin + 2 * L), d = p.at(begin + 3 * L);
    for (j = begin + 4 * L; j + 4 * L <= n; j += 4 * L) {
      a = F::apply(a, p.at(j));
      b = F::apply(b, p.at(j + L));
      c = F::apply(c, p.at(j + 2 * L));
      d = F::apply(d, p.at(j + 3 * L));
    }
    a = F::apply(F::apply(a, b), F::apply(c, d));
  }
  for (; j + L <= n; j += L) a = F::apply(a, p.at(j));
  end = j;
  return a;
}

// The elements [begin, n) of a row.
template <class T, class F, class In>
KERASISH_INLINE T reduce_run(const In& p, i64 begin, i64 n) {
  constexpr int L = Vectors<T>::lanes;
  if (n - begin < L) {
    T r = p.one(begin);
    for (i64 j = begin + 1; j < n; ++j) r = F::apply(r, p.one(j));
    return r;
  }
  i64 j;
  const auto a = reduce_vectors<T, F>(p, begin, n, j);
  T lanes[L];
  store(lanes, a);
  for (int width = L / 2; width > 0; width /= 2) {
    for (int k = 0; k < width; ++k) lanes[k] = F::apply(lanes[k], lanes[k + width]);
  }
  T r = lanes[0];
  for (; j < n; ++j) r = F::apply(r, p.one(j));
  return r;
}

template <class T, class F, class In>
void rows_by_vectors(const TileCall& t) {
  constexpr bool adds = std::is_same_v<F, Sum> || std::is_same_v<F, Prod>;
  T* out = static_cast<T*>(t.out);
  for (i64 i = 0; i < t.rows; ++i) {
    const In p(t, i);
    if (!adds || t.cols <= run) {
      out[i] = reduce_run<T, F>(p, 0, t.cols);
      continue;
    }
    double r = reduce_run<T, F>(p, 0, run);
    for (i64 j = run; j < t.cols; j += run) {
      r = F::apply(r, double(reduce_run<T, F>(p, j, t.cols - j < run ? t.cols : j + run)));
    }
    out[i] = static_cast<T>(r);
  }
}

template <int... lanes>
KERASISH_INLINE f32v pick(f32v a, f32v b) { return __builtin_shufflevector(a, b, lanes...); }
template <class F>
KERASISH_INLINE f32v fold_pairs(f32v a, f32v b) {  // within four lanes: a0 b0 a1 b1 with a2 b2 a3 b3
#if defined(__AVX512F__)
  return F::apply(pick<0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29>(a, b),
                  pick<2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31>(a, b));
#elif defined(__AVX2__)
  return F::apply(pick<0, 8, 1, 9, 4, 12, 5, 13>(a, b), pick<2, 10, 3, 11, 6, 14, 7, 15>(a, b));
#else
  return F::apply(pick<0, 4, 1, 5>(a, b), pick<2, 6, 3, 7>(a, b));
#endif
}
template <class F>
KERASISH_INLINE f32v fold_twos(f32v a, f32v b) {  // a0 a1 b0 b1 with a2 a3 b2 b3
#if defined(__AVX512F__)
  return F::apply(pick<0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29>(a, b),
                  pick<2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31>(a, b));
#elif defined(__AVX2__)
  return F::apply(pick<0, 1, 8, 9, 4, 5, 12, 13>(a, b), pick<2, 3, 10, 11, 6, 7, 14, 15>(a, b));
#else
  return F::apply(pick<0, 1, 4, 5>(a, b), pick<2, 3, 6, 7>(a, b));
#endif
}
#if defined(__AVX2__)
template <class F>
KERASISH_INLINE f32v fold_fours(f32v a, f32v b) {  // even with odd groups of four
#if defined(__AVX512F__)
  return F::apply(pick<0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27>(a, b),
                  pick<4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31>(a, b));
#else
  return F::apply(pick<0, 1, 2, 3, 8, 9, 10, 11>(a, b), pick<4, 5, 6, 7, 12, 13, 14, 15>(a, b));
#endif
}
#endif

// Of as many vectors as a vector has lanes: lane k is the reduction of v[k]. Each fold reduces and interleaves two vectors.
template <class F>
KERASISH_INLINE f32v reduce_each(const f32v* v) {
  f32v fours[f32_lanes / 4];
  for (int q = 0; q < f32_lanes / 4; ++q) {
    const f32v* u = v + 4 * q;
    fours[q] = fold_twos<F>(fold_pairs<F>(u[0], u[1]), fold_pairs<F>(u[2], u[3]));
  }
#if defined(__AVX512F__)
  return fold_fours<F>(fold_fours<F>(fours[0], fours[1]), fold_fours<F>(fours[2], fours[3]));
#elif defined(__AVX2__)
  return fold_fours<F>(fours[0], fours[1]);
#else
  return fours[0];
#endif
}

// A row as one vector, filled up with what changes nothing.
template <class F, class In>
KERASISH_INLINE f32v row_vector(const In& p, i64 n) {
  constexpr int L = f32_lanes;
  i64 end = 0;
  f32v a = splat(identity<F>());
  if (n >= L) a = reduce_vectors<float, F>(p, 0, n, end);
  const int rest = static_cast<int>(n - end);
  if (rest > 0) a = F::apply(a, keep_first(p.part(end, rest), rest, splat(identity<F>())));
  return a;
}

// Rows of float32 as many at a time as a vector has lanes: their last steps are shared.
template <class F, class In>
void rows_of_floats(const TileCall& t) {
  constexpr int L = f32_lanes;
  constexpr bool adds = std::is_same_v<F, Sum> || std::is_same_v<F, Prod>;
  if (t.rows == 1 || (adds && t.cols > run)) return rows_by_vectors<float, F, In>(t);
  float* out = static_cast<float*>(t.out);
  f32v v[L];
  for (i64 i = 0; i < t.rows; i += L) {
    const int count = t.rows - i < L ? static_cast<int>(t.rows - i) : L;
    for (int k = 0; k < count; ++k) v[k] = row_vector<F>(In(t, i + k), t.cols);
    for (int k = count; k < L; ++k) v[k] = v[0];
    if (count == L) {
      store(out + i, reduce_each<F>(v));
    } else {
      store_part(out + i, reduce_each<F>(v), count);
    }
  }
}

// Integers; T is the unsigned type where the result does not depend on the sign.
template <class T, class F>
void rows_plain(const TileCall& t) {
  T* out = static_cast<T*>(t.out);
  for (i64 i = 0; i < t.rows; ++i) {
    const T* p = static_cast<const T*>(t.in[0]) + i * t.pitch[0];
    T r = p[0];
    for (i64 j = 1; j < t.cols; ++j) r = static_cast<T>(F::apply(r, p[j]));
    out[i] = r;
  }
}

template <class T> KERASISH_INLINE bool is_nan(T x) { return x != x; }

template <class T, bool largest>
void rows_position(const TileCall& t) {
  std::int32_t* out = static_cast<std::int32_t*>(t.out);
  for (i64 i = 0; i < t.rows; ++i) {
    const T* p = static_cast<const T*>(t.in[0]) + i * t.pitch[0];
    i64 at = 0;
    T best = p[0];
    for (i64 j = 1; j < t.cols && !is_nan(best); ++j) {
      if ((largest ? p[j] > best : p[j] < best) || is_nan(p[j])) {
        best = p[j];
        at = j;
      }
    }
    out[i] = static_cast<std::int32_t>(at);
  }
}

// `rows` rows of a vector of columns, four at once. `part` has less than a vector of columns.
template <class T, class F, class In, bool part>
KERASISH_INLINE typename Vectors<T>::V over_rows(In p, i64 rows, i64 j, int count) {
  const auto next = [&] {
    const auto v = part ? p.part(j, count) : p.at(j);
    p.down(1);
    return v;
  };
  auto a = next();
  i64 left = rows - 1;
  if (left >= 3) {
    auto b = next(), c = next(), d = next();
    for (left -= 3; left >= 4; left -= 4) {
      a = F::apply(a, next());
      b = F::apply(b, next());
      c = F::apply(c, next());
      d = F::apply(d, next());
    }
    a = F::apply(F::apply(a, b), F::apply(c, d));
  }
  for (; left > 0; --left) a = F::apply(a, next());
  return a;
}

template <class F>
KERASISH_INLINE void merge(double* out, f64v v) { store(out, F::apply(load(out), v)); }
template <class F>
KERASISH_INLINE void merge(double* out, f32v v) {
  merge<F>(out, low_half(v));
  merge<F>(out + f64_lanes, high_half(v));
}

template <class T, class F, class In>
void accumulate_vectors(const TileCall& t) {
  constexpr int L = Vectors<T>::lanes;
  constexpr i64 block = 256;  // rows reduced in T before double takes over
  double* out = static_cast<double*>(t.out);
  const i64 cols = t.cols;
  for (i64 i = 0; i < t.rows; i += block) {
    const In p(t, i);
    const i64 rows = t.rows - i < block ? t.rows - i : block;
    i64 j = 0;
    for (; j + L <= cols; j += L) merge<F>(out + j, over_rows<T, F, In, false>(p, rows, j, L));
    const int rest = static_cast<int>(cols - j);
    if (rest > 0) {
      T lanes[L];
      store(lanes, over_rows<T, F, In, true>(p, rows, j, rest));
      for (int k = 0; k < rest; ++k) out[j + k] = F::apply(out[j + k], double(lanes[k]));
    }
  }
}

template <class T, class A, class F>
void accumulate_plain(const TileCall& t) {
  A* out = static_cast<A*>(t.out);
  for (i64 i = 0; i < t.rows; ++i) {
    const T* p = static_cast<const T*>(t.in[0]) + i * t.pitch[0];
    const i64 n = t.cols;
    for (i64 j = 0; j < n; ++j) out[j] = F::apply(out[j], static_cast<A>(p[j]));
  }
}

template <class T, class U, class A, class AU>
void fill_integer(TileKernels& table, Dtype dtype) {
  const int d = static_cast<int>(dtype);
  const auto set = [&](TileReduction r, TileFunction row, TileFunction over) {
    table.row_reduce[static_cast<int>(r)][d] = row;
    table.accumulate[static_cast<int>(r)][d] = over;
  };
  set(TileReduction::sum, rows_plain<U, Sum>, accumulate_plain<U, AU, Sum>);
  set(TileReduction::prod, rows_plain<U, Prod>, accumulate_plain<U, AU, Prod>);
  set(TileReduction::max, rows_plain<T, Max>, accumulate_plain<T, A, Max>);
  set(TileReduction::min, rows_plain<T, Min>, accumulate_plain<T, A, Min>);
  set(TileReduction::argmax, rows_position<T, true>, nullptr);
  set(TileReduction::argmin, rows_position<T, false>, nullptr);
}

template <class T>
void fill_float(TileKernels& table, Dtype dtype) {
  const int d = static_cast<int>(dtype);
  const auto set = [&](TileReduction r, TileFunction row, TileFunction over) {
    table.row_reduce[static_cast<int>(r)][d] = row;
    table.accumulate[static_cast<int>(r)][d] = over;
  };
  using One = Single<T>;
  if constexpr (std::is_same_v<T, float>) {
    set(TileReduction::sum, rows_of_floats<Sum, One>, accumulate_vectors<T, Sum, One>);
    set(TileReduction::prod, rows_of_floats<Prod, One>, accumulate_vectors<T, Prod, One>);
    set(TileReduction::max, rows_of_floats<Max, One>, accumulate_vectors<T, Max, One>);
    set(TileReduction::min, rows_of_floats<Min, One>, accumulate_vectors<T, Min, One>);
    table.row_sum_product = rows_of_floats<Sum, Product<T>>;
    table.accumulate_product = accumulate_vectors<T, Sum, Product<T>>;
  } else {
    set(TileReduction::sum, rows_by_vectors<T, Sum, One>, accumulate_vectors<T, Sum, One>);
    set(TileReduction::prod, rows_by_vectors<T, Prod, One>, accumulate_vectors<T, Prod, One>);
    set(TileReduction::max, rows_by_vectors<T, Max, One>, accumulate_vectors<T, Max, One>);
    set(TileReduction::min, rows_by_vectors<T, Min, One>, accumulate_vectors<T, Min, One>);
  }
  set(TileReduction::argmax, rows_position<T, true>, nullptr);
  set(TileReduction::argmin, rows_position<T, false>, nullptr);
}

}  // namespace

void fill_tile_reduce(TileKernels& table) {
  using S = std::int64_t;
  using U = std::uint64_t;
  fill_float<float>(table, Dtype::float32);
  fill_float<double>(table, Dtype::float64);
  fill_integer<std::uint8_t, std::uint8_t, U, U>(table, Dtype::boolean);
  for (TileReduction r : {TileReduction::sum, TileReduction::prod}) {  // bools have no sums
    table.row_reduce[static_cast<int>(r)][static_cast<int>(Dtype::boolean)] = nullptr;
    table.accumulate[static_cast<int>(r)][static_cast<int>(Dtype::boolean)] = nullptr;
  }
  fill_integer<std::uint8_t, std::uint8_t, U, U>(table, Dtype::uint8);
  fill_integer<std::uint16_t, std::uint16_t, U, U>(table, Dtype::uint16);
  fill_integer<std::uint32_t, std::uint32_t, U, U>(table, Dtype::uint32);
  fill_integer<U, U, U, U>(table, Dtype::uint64);
  fill_integer<std::int8_t, std::uint8_t, S, U>(table, Dtype::int8);
  fill_integer<std::int16_t, std::uint16_t, S, U>(table, Dtype::int16);
  fill_integer<std::int32_t, std::uint32_t, S, U>(table, Dtype::int32);
  fill_integer<S, U, S, U>(table, Dtype::int64);
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
