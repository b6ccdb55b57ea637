// Copies, strided copies and spreads of tiles.
#include "tile_fill.hpp"
#include "tile_loops.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

template <class T>
void copy(const TileCall& t) {
  for (i64 i = 0; i < t.rows; ++i) {
    std::memmove(static_cast<T*>(t.out) + i * t.out_pitch, static_cast<const T*>(t.in[0]) + i * t.pitch[0],
                 static_cast<std::size_t>(t.cols) * sizeof(T));
  }
}

template <class T>
void spread(const TileCall& t) {
  const i64 n = t.cols;
  for (i64 i = 0; i < t.rows; ++i) {
    T* out = static_cast<T*>(t.out) + i * t.out_pitch;
    const T value = static_cast<const T*>(t.in[0])[i * t.pitch[0]];
    for (i64 j = 0; j < n; ++j) out[j] = value;
  }
}

// Whole vectors, each row's overhang overwritten by the next: for short rows.
template <class T>
void spread_padded(const TileCall& t) {
  using V __attribute__((vector_size(vector_bytes))) = T;
  constexpr i64 lanes = vector_bytes / static_cast<i64>(sizeof(T));
  for (i64 i = 0; i < t.rows; ++i) {
    T* out = static_cast<T*>(t.out) + i * t.out_pitch;
    const V value = static_cast<const T*>(t.in[0])[i * t.pitch[0]] - V{};
    for (i64 j = 0; j < t.cols; j += lanes) std::memcpy(out + j, &value, sizeof value);
  }
}

template <class T>
void gather(void* result, const void* source, i64 rows, i64 cols, i64 row, i64 col) {
  T* out = static_cast<T*>(result);
  const T* x = static_cast<const T*>(source);
  if (col == 1) {
    for (i64 i = 0; i < rows; ++i) std::memcpy(out + i * cols, x + i * row, static_cast<std::size_t>(cols) * sizeof(T));
  } else if (row == 1 && col != 0) {  // transposed: read along memory
    for (i64 j = 0; j < cols; ++j) {
      for (i64 i = 0; i < rows; ++i) out[i * cols + j] = x[i + j * col];
    }
  } else {
    for (i64 i = 0; i < rows; ++i) {
      for (i64 j = 0; j < cols; ++j) out[i * cols + j] = x[i * row + j * col];
    }
  }
}

template <class T>
void scatter(void* target, const void* source, i64 rows, i64 cols, i64 row, i64 col, i64 pitch) {
  T* x = static_cast<T*>(target);
  const T* in = static_cast<const T*>(source);
  if (col == 1) {
    for (i64 i = 0; i < rows; ++i) std::memmove(x + i * row, in + i * pitch, static_cast<std::size_t>(cols) * sizeof(T));
  } else if (row == 1) {
    for (i64 j = 0; j < cols; ++j) {
      for (i64 i = 0; i < rows; ++i) x[i + j * col] = in[i * pitch + j];
    }
  } else {
    for (i64 i = 0; i < rows; ++i) {
      for (i64 j = 0; j < cols; ++j) x[i * row + j * col] = in[i * pitch + j];
    }
  }
}

template <class T>
void fill_size(TileKernels& table, int index) {
  table.spread[index] = spread<T>;
  table.spread_padded[index] = spread_padded<T>;
  table.gather[index] = gather<T>;
  table.scatter[index] = scatter<T>;
}

}  // namespace

void fill_tile_move(TileKernels& table) {
  fill_size<std::uint8_t>(table, 0);
  fill_size<std::uint16_t>(table, 1);
  fill_size<std::uint32_t>(table, 2);
  fill_size<std::uint64_t>(table, 3);
  for (int d = 0; d < tile_dtypes; ++d) {
    const Dtype dtype = static_cast<Dtype>(d);
    TileFunction& function = entry(table, TileOp::copy, dtype);
    switch (item_size(dtype)) {
      case 1: function = copy<std::uint8_t>; break;
      case 2: function = copy<std::uint16_t>; break;
      case 4: function = copy<std::uint32_t>; break;
      default: function = copy<std::uint64_t>; break;
    }
    entry(table, TileOp::bitcast, dtype) = function;
  }
}

void fill_tile(TileKernels& table) {
  fill_tile_move(table);
  fill_tile_float(table);
  fill_tile_math(table);
  fill_tile_integer(table);
  fill_tile_choice(table);
  fill_tile_cast(table);
  fill_tile_reduce(table);
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
