// Copies between layouts: rows where both sides run along one axis, tiles turned in registers where they do not.
#include <utility>

#include "../families/moving.hpp"
#include "../thread_pool.hpp"
#include "odometer.hpp"
#include "simd.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

constexpr std::int64_t bytes_a_range = 65536;

std::size_t grain_of(std::int64_t bytes_a_unit) {
  return static_cast<std::size_t>(bytes_a_unit >= bytes_a_range ? 1 : bytes_a_range / (bytes_a_unit + 1) + 1);
}

// -- rows --------------------------------------------------------------------------------------------------------------
template <typename T>
KERASISH_INLINE void copy_row(T* KERASISH_RESTRICT to, std::int64_t to_stride, const T* KERASISH_RESTRICT from,
                              std::int64_t from_stride, std::int64_t n) {
  if (to_stride == 1 && from_stride == 1) {
    copy_bytes(reinterpret_cast<char*>(to), reinterpret_cast<const char*>(from),
               static_cast<std::size_t>(n) * sizeof(T));
  } else if (to_stride == 1 && from_stride == 0) {
    const T value = *from;
    for (std::int64_t i = 0; i < n; ++i) to[i] = value;
  } else {
    for (std::int64_t i = 0; i < n; ++i) to[i * to_stride] = from[i * from_stride];
  }
}

// Whole rows along the next to last axis.
template <typename T>
KERASISH_INLINE void copy_rows_of(T* to, std::int64_t to_step, const T* from, std::int64_t from_step, std::int64_t rows,
                                  const CopyCall& call) {
  const int last = call.axes - 1;
  const std::int64_t n = call.shape[last], to_stride = call.to_strides[last], from_stride = call.from_strides[last];
  for (std::int64_t i = 0; i < rows; ++i, to += to_step, from += from_step) copy_row(to, to_stride, from, from_stride, n);
}

// Elements begin .. end of the walk, row by row.
template <typename T>
void copy_elements(const CopyCall& call, std::int64_t begin, std::int64_t end) {
  const int last = call.axes - 1;
  const std::int64_t length = call.shape[last];
  Odometer<2> rows(call.shape, call.axes, {call.from_strides, call.to_strides}, begin / length);
  std::int64_t i = begin % length;
  for (std::int64_t left = end - begin; left > 0;) {
    const T* from = reinterpret_cast<const T*>(call.from) + rows.offset[0] + i * call.from_strides[last];
    T* to = reinterpret_cast<T*>(call.to) + rows.offset[1] + i * call.to_strides[last];
    const std::int64_t n = left < length - i ? left : length - i;
    if (n < length) {  // the first or last row of the range, not whole
      copy_row(to, call.to_strides[last], from, call.from_strides[last], n);
      left -= n;
      i = 0;
      rows.skip(1);
      continue;
    }
    const std::int64_t whole = left / length, many = whole < rows.run() ? whole : rows.run();
    copy_rows_of(to, last ? call.to_strides[last - 1] : 0, from, last ? call.from_strides[last - 1] : 0, many, call);
    left -= many * length;
    rows.skip(many);
  }
}

template <typename T>
void copy_rows(const CopyCall& call) {
  const std::int64_t n = rows_of(call.shape, call.axes) * call.shape[call.axes - 1];
  parallel_for(static_cast<std::size_t>(n), grain_of(sizeof(T)), [&](std::size_t begin, std::size_t end) {
    copy_elements<T>(call, static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end));
  });
}

// -- tiles -------------------------------------------------------------------------------------------------------------
// to[i][j] = from[j][i], i < high, j < wide. Runs of the source are read, so much at a time that what is written stays
// in cache until its lines are full.
template <typename T>
KERASISH_INLINE void turn_some(T* to, std::int64_t to_stride, const T* from, std::int64_t from_stride,
                               std::int64_t high, std::int64_t wide) {
  constexpr std::int64_t most = 256;
  for (std::int64_t begin = 0; begin < high; begin += most) {
    const std::int64_t end = high - begin < most ? high : begin + most;
    for (std::int64_t j = 0; j < wide; ++j) {
      for (std::int64_t i = begin; i < end; ++i) to[i * to_stride + j] = from[j * from_stride + i];
    }
  }
}

template <typename T>
struct Tile {
  static constexpr int side = 32;
  static void turn(T* to, std::int64_t to_stride, const T* from, std::int64_t from_stride) {
    turn_some(to, to_stride, from, from_stride, side, side);
  }
};

// A square of as many vectors as a vector has lanes, turned by exchanging quarters of ever smaller blocks
// (J. O. Eklundh, "A fast computer method for matrix transposing", 1972).
template <typename Vector, typename T>
struct VectorTile {
  static constexpr int side = sizeof(Vector) / sizeof(T);

  // Rows i and i + distance exchange the blocks beside their diagonal. The lanes stand in a list, so that they are
  // constants to the compiler, which then picks the instruction.
  template <int distance, T... lane>
  KERASISH_INLINE static void exchange(Vector (&v)[side], std::integer_sequence<T, lane...>) {
    constexpr Vector low = {((lane & distance) == 0 ? lane : side + lane - distance)...};
    constexpr Vector high = {((lane & distance) == 0 ? lane + distance : side + lane)...};
#pragma GCC unroll 16
    for (int i = 0; i < side; ++i) {
      if ((i & distance) != 0) continue;
      const Vector a = v[i], b = v[i + distance];
      v[i] = __builtin_shuffle(a, b, low);
      v[i + distance] = __builtin_shuffle(a, b, high);
    }
  }

  static void turn(T* to, std::int64_t to_stride, const T* from, std::int64_t from_stride) {
    using lanes = std::make_integer_sequence<T, side>;
    Vector v[side];
#pragma GCC unroll 16
    for (int i = 0; i < side; ++i) std::memcpy(&v[i], from + i * from_stride, sizeof(Vector));
    if constexpr (side > 8) exchange<8>(v, lanes{});
    if constexpr (side > 4) exchange<4>(v, lanes{});
    if constexpr (side > 2) exchange<2>(v, lanes{});
    exchange<1>(v, lanes{});
#pragma GCC unroll 16
    for (int i = 0; i < side; ++i) std::memcpy(to + i * to_stride, &v[i], sizeof(Vector));
  }
};

#if defined(__GNUC__) && !defined(__clang__)
using i64v = std::int64_t __attribute__((vector_size(vector_bytes), may_alias));
// As many vectors as registers hold at once: of 16-bit elements, half vectors.
using i16v = std::int16_t __attribute__((vector_size(vector_bytes > 16 ? vector_bytes / 2 : 16), may_alias));
template <>
struct Tile<std::int16_t> : VectorTile<i16v, std::int16_t> {};
template <>
struct Tile<std::int32_t> : VectorTile<i32v, std::int32_t> {};
template <>
struct Tile<std::int64_t> : VectorTile<i64v, std::int64_t> {};
#endif

// to[i][j] = from[j][i] in tiles: neighbours in turn, so that both sides see runs of memory. The last tile of a row or
// column reaches back over the one before it.
template <typename T>
void turn_block(T* to, std::int64_t to_stride, const T* from, std::int64_t from_stride, std::int64_t high,
                std::int64_t wide) {
  constexpr std::int64_t side = Tile<T>::side;
  if (high < side || wide < side) return turn_some(to, to_stride, from, from_stride, high, wide);
  for (std::int64_t i = 0; i < high; i += side) {
    if (i > high - side) i = high - side;
    for (std::int64_t j = 0; j < wide; j += side) {
      if (j > wide - side) j = wide - side;
      Tile<T>::turn(to + i * to_stride + j, to_stride, from + j * from_stride + i, from_stride);
    }
  }
}

// A copy whose result runs along the last axis and whose source runs along axis `turned`.
template <typename T>
void copy_tiles(const CopyCall& call, int turned) {
  constexpr std::int64_t most = 4 * Tile<T>::side;
  const int last = call.axes - 1;
  const std::int64_t high = call.shape[turned], wide = call.shape[last];
  const std::int64_t to_stride = call.to_strides[turned], from_stride = call.from_strides[last];
  CopyCall outer = call;  // walks over the other axes: `turned` in one step, the last in blocks
  outer.shape[turned] = 1;
  const std::int64_t blocks = wide < 2 * most ? 1 : wide / most;  // the last takes what is left over, too
  const std::int64_t n = rows_of(outer.shape, call.axes) * blocks;
  const std::size_t grain = grain_of(high * (wide / blocks) * static_cast<std::int64_t>(sizeof(T)));
  parallel_for(static_cast<std::size_t>(n), grain, [&](std::size_t begin, std::size_t end) {
    std::int64_t block = static_cast<std::int64_t>(begin) % blocks;
    Odometer<2> rows(outer.shape, call.axes, {call.from_strides, call.to_strides},
                     static_cast<std::int64_t>(begin) / blocks);
    for (std::size_t k = begin; k < end; ++k) {
      const std::int64_t j = block * most, some = block + 1 == blocks ? wide - j : most;
      const T* from = reinterpret_cast<const T*>(call.from) + rows.offset[0] + j * from_stride;
      T* to = reinterpret_cast<T*>(call.to) + rows.offset[1] + j;
      turn_block(to, to_stride, from, from_stride, high, some);
      if (++block == blocks) {
        block = 0;
        rows.skip(1);
      }
    }
  });
}

// The axis along which the source runs while the result runs along the last one, or -1.
int turned_axis(const CopyCall& call) {
  const int last = call.axes - 1;
  if (call.to_strides[last] != 1 || call.from_strides[last] == 1 || call.from_strides[last] == 0) return -1;
  for (int i = 0; i < last; ++i) {
    if (call.from_strides[i] == 1 && call.shape[i] > 1) return i;
  }
  return -1;
}

template <typename T>
void copy_of(const CopyCall& call) {
  const int turned = turned_axis(call);
  if (turned >= 0) {
    copy_tiles<T>(call, turned);
  } else {
    copy_rows<T>(call);
  }
}

void copy(const CopyCall& call) {
  switch (call.item) {
    case 1: copy_of<std::int8_t>(call); break;
    case 2: copy_of<std::int16_t>(call); break;
    case 4: copy_of<std::int32_t>(call); break;
    default: copy_of<std::int64_t>(call); break;
  }
}

}  // namespace

void fill_copy(MovingKernels& table);
void fill_copy(MovingKernels& table) { table.copy = copy; }

}  // namespace KERASISH_ISA
}  // namespace kerasish
