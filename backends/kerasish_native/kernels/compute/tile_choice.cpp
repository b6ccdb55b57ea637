// Choices between two values: by a bool, or by a comparison in the same loop.
#include "tile_fill.hpp"
#include "tile_loops.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

// Values of four or eight bytes as float vectors: bits pass through unchanged.
template <class T, int mode>
void choose(const TileCall& t) {
  constexpr int L = Vectors<T>::lanes;
  for (i64 i = 0; i < t.rows; ++i) {
    T* out = static_cast<T*>(t.out) + i * t.out_pitch;
    const std::uint8_t* c = static_cast<const std::uint8_t*>(t.in[0]) + i * t.pitch[0];
    const Operand<T, (mode & 2) != 0> a(t, 1, i);
    const Operand<T, (mode & 4) != 0> b(t, 2, i);
    const i64 n = t.cols;
    i64 j = 0;
    for (; j + 2 * L <= n; j += 2 * L) {
      const auto x = select(load_bools<T>(c + j, L), a.at(j), b.at(j));
      const auto y = select(load_bools<T>(c + j + L, L), a.at(j + L), b.at(j + L));
      store(out + j, x);
      store(out + j + L, y);
    }
    for (; j + L <= n; j += L) store(out + j, select(load_bools<T>(c + j, L), a.at(j), b.at(j)));
    const int rest = static_cast<int>(n - j);
    if (rest > 0) store_part(out + j, select(load_bools<T>(c + j, rest), a.part(j, rest), b.part(j, rest)), rest);
  }
}

template <class T>
void choose_plain(const TileCall& t) {
  for (i64 i = 0; i < t.rows; ++i) {
    T* out = static_cast<T*>(t.out) + i * t.out_pitch;
    const std::uint8_t* c = static_cast<const std::uint8_t*>(t.in[0]) + i * t.pitch[0];
    const T* a = static_cast<const T*>(t.in[1]) + i * t.pitch[1];
    const T* b = static_cast<const T*>(t.in[2]) + i * t.pitch[2];
    const i64 n = t.cols;
#pragma GCC ivdep
    for (i64 j = 0; j < n; ++j) out[j] = c[j] != 0 ? a[j] : b[j];
  }
}

template <class T>
void set_choose(TileKernels& table, Dtype dtype) {
  entry(table, TileOp::where, dtype, 0) = choose<T, 0>;
  entry(table, TileOp::where, dtype, 2) = choose<T, 2>;
  entry(table, TileOp::where, dtype, 4) = choose<T, 4>;
  entry(table, TileOp::where, dtype, 6) = choose<T, 6>;
}

// where(a <compare> b, c, d)
template <Comparison comparison, int mode>
void compare_choose(const TileCall& t) {
  constexpr int L = f32_lanes;
  for (i64 i = 0; i < t.rows; ++i) {
    float* out = static_cast<float*>(t.out) + i * t.out_pitch;
    const Operand<float, (mode & 1) != 0> a(t, 0, i);
    const Operand<float, (mode & 2) != 0> b(t, 1, i);
    const Operand<float, (mode & 4) != 0> c(t, 2, i);
    const Operand<float, (mode & 8) != 0> d(t, 3, i);
    const i64 n = t.cols;
    i64 j = 0;
    for (; j + 2 * L <= n; j += 2 * L) {
      const f32v x = select(compare<comparison>(a.at(j), b.at(j)), c.at(j), d.at(j));
      const f32v y = select(compare<comparison>(a.at(j + L), b.at(j + L)), c.at(j + L), d.at(j + L));
      store(out + j, x);
      store(out + j + L, y);
    }
    for (; j + L <= n; j += L) store(out + j, select(compare<comparison>(a.at(j), b.at(j)), c.at(j), d.at(j)));
    const int rest = static_cast<int>(n - j);
    if (rest > 0) {
      const auto mask = compare<comparison>(a.part(j, rest), b.part(j, rest));
      store_part(out + j, select(mask, c.part(j, rest), d.part(j, rest)), rest);
    }
  }
}

// Comparisons with a single value (2) or an operand (0); one of the branches may be a single value too.
template <Comparison c>
void set_compare(TileKernels& table) {
  TileFunction* modes = table.select[static_cast<int>(c)];
  modes[0] = compare_choose<c, 0>;
  modes[2] = compare_choose<c, 2>;
  modes[4] = compare_choose<c, 4>;
  modes[6] = compare_choose<c, 6>;
  modes[8] = compare_choose<c, 8>;
  modes[10] = compare_choose<c, 10>;
  modes[12] = compare_choose<c, 12>;
  modes[14] = compare_choose<c, 14>;
}

}  // namespace

void fill_tile_choice(TileKernels& table) {
  for (int d = 0; d < tile_dtypes; ++d) {
    const Dtype dtype = static_cast<Dtype>(d);
    switch (item_size(dtype)) {
      case 1: entry(table, TileOp::where, dtype) = choose_plain<std::uint8_t>; break;
      case 2: entry(table, TileOp::where, dtype) = choose_plain<std::uint16_t>; break;
      case 4: set_choose<float>(table, dtype); break;
      default: set_choose<double>(table, dtype); break;
    }
  }
  set_compare<Comparison::equal>(table);
  set_compare<Comparison::not_equal>(table);
  set_compare<Comparison::less>(table);
  set_compare<Comparison::less_equal>(table);
  set_compare<Comparison::greater>(table);
  set_compare<Comparison::greater_equal>(table);
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
