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
// NaN if either is NaN.
struct Max {
  template <class V> KERASISH_INLINE static V apply(V a, V b) { return a >= b ? a : (a < b ? b : a + b); }
};
struct Min {
  template <class V> KERASISH_INLINE static V apply(V a, V b) { return a <= b ? a : (a > b ? b : a + b); }
};

constexpr i64 run = 1024;  // elements summed in float32 before double takes over

// One run of a row by vectors: four partial results a lane.
template <class T, class F>
KERASISH_INLINE T reduce_run(const T* p, i64 n) {
  constexpr int L = Vectors<T>::lanes;
  if (n < L) {
    T r = p[0];
    for (i64 j = 1; j < n; ++j) r = F::apply(r, p[j]);
    return r;
  }
  auto a = load(p);
  i64 j = L;
  if (n >= 4 * L) {
    auto b = load(p + L), c = load(p + 2 * L), d = load(p + 3 * L);
    for (j = 4 * L; j + 4 * L <= n; j += 4 * L) {
      a = F::apply(a, load(p + j));
      b = F::apply(b, load(p + j + L));
      c = F::apply(c, load(p + j + 2 * L));
      d = F::apply(d, load(p + j + 3 * L));
    }
    a = F::apply(F::apply(a, b), F::apply(c, d));
  }
  for (; j + L <= n; j += L) a = F::apply(a, load(p + j));
  T lanes[L];
  store(lanes, a);
  for (int width = L / 2; width > 0; width /= 2) {
    for (int k = 0; k < width; ++k) lanes[k] = F::apply(lanes[k], lanes[k + width]);
  }
  T r = lanes[0];
  for (; j < n; ++j) r = F::apply(r, p[j]);
  return r;
}

template <class T, class F>
void rows_by_vectors(const TileCall& t) {
  constexpr bool adds = std::is_same_v<F, Sum> || std::is_same_v<F, Prod>;
  T* out = static_cast<T*>(t.out);
  for (i64 i = 0; i < t.rows; ++i) {
    const T* p = static_cast<const T*>(t.in[0]) + i * t.pitch[0];
    if (!adds || t.cols <= run) {
      out[i] = reduce_run<T, F>(p, t.cols);
      continue;
    }
    double r = reduce_run<T, F>(p, run);
    for (i64 j = run; j < t.cols; j += run) {
      r = F::apply(r, double(reduce_run<T, F>(p + j, t.cols - j < run ? t.cols - j : run)));
    }
    out[i] = static_cast<T>(r);
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

// Over rows, a vector of columns at a time, four rows at once.
template <class T, class F>
KERASISH_INLINE typename Vectors<T>::V over_rows(const T* p, i64 rows, i64 pitch, int count) {
  constexpr int L = Vectors<T>::lanes;
  const auto at = [=](i64 i) { return count == L ? load(p + i * pitch) : load_part(p + i * pitch, count); };
  auto a = at(0);
  i64 i = 1;
  if (rows >= 4) {
    auto b = at(1), c = at(2), d = at(3);
    for (i = 4; i + 4 <= rows; i += 4) {
      a = F::apply(a, at(i));
      b = F::apply(b, at(i + 1));
      c = F::apply(c, at(i + 2));
      d = F::apply(d, at(i + 3));
    }
    a = F::apply(F::apply(a, b), F::apply(c, d));
  }
  for (; i < rows; ++i) a = F::apply(a, at(i));
  return a;
}

template <class T, class F>
void accumulate_vectors(const TileCall& t) {
  constexpr int L = Vectors<T>::lanes;
  constexpr i64 block = 256;  // rows summed in T before double takes over
  double* out = static_cast<double*>(t.out);
  for (i64 i = 0; i < t.rows; i += block) {
    const T* p = static_cast<const T*>(t.in[0]) + i * t.pitch[0];
    const i64 rows = t.rows - i < block ? t.rows - i : block;
    for (i64 j = 0; j < t.cols; j += L) {
      const int count = t.cols - j < L ? static_cast<int>(t.cols - j) : L;
      T lanes[L];
      if (count == L) {
        store(lanes, over_rows<T, F>(p + j, rows, t.pitch[0], L));
      } else {
        store(lanes, over_rows<T, F>(p + j, rows, t.pitch[0], count));
      }
      for (int k = 0; k < count; ++k) out[j + k] = F::apply(out[j + k], double(lanes[k]));
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
  set(TileReduction::sum, rows_by_vectors<T, Sum>, accumulate_vectors<T, Sum>);
  set(TileReduction::prod, rows_by_vectors<T, Prod>, accumulate_vectors<T, Prod>);
  set(TileReduction::max, rows_by_vectors<T, Max>, accumulate_vectors<T, Max>);
  set(TileReduction::min, rows_by_vectors<T, Min>, accumulate_vectors<T, Min>);
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
