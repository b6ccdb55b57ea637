// Choices between two values by a bool, and choices by a comparison in one loop.
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
    i64 j = 0;
    for (; j + L <= t.cols; j += L) store(out + j, to_mask<T>(c + j, L) ? a.at(j) : b.at(j));
    const int rest = static_cast<int>(t.cols - j);
    if (rest > 0) store_part(out + j, to_mask<T>(c + j, rest) ? a.part(j, rest) : b.part(j, rest), rest);
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
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
