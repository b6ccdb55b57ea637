#include "conv_block.hpp"

#include <utility>

namespace kerasish {
namespace KERASISH_ISA {
namespace {

// Rows of a block are found from one pointer for each five of them: offsets 0, s, 2s, 3s and 4s are addressing modes,
// and so the pointers of all rows fit into the general registers.
constexpr int rows_a_base = 5;

template <class T, int bases>
KERASISH_INLINE T number_at(const char* const (&base)[bases], int p, i64 s, i64 s3) {
  const char* from = base[p / rows_a_base];
  switch (p % rows_a_base) {
    case 0: break;
    case 1: from += s; break;
    case 2: from += 2 * s; break;
    case 3: from += s3; break;
    default: from += 4 * s; break;
  }
  T number;
  std::memcpy(&number, from, sizeof number);
  return number;
}

// Keeps the compiler from deriving one pointer from another, which would make it spill a pointer for each row.
KERASISH_INLINE void opaque(const char*& pointer) {
#if defined(__GNUC__)
  asm("" : "+r"(pointer));
#endif
}

template <class T, int P, int V>
void dot(const T* x, i64 pixel, const Run* runs, i64 count, i64 length, const T* w, i64 w_row, T* y, i64 y_pixel,
         int last, bool add) {
  using vector = typename Simd<T>::vector;
  constexpr int lanes = Simd<T>::lanes;
  constexpr int bases = (P + rows_a_base - 1) / rows_a_base;
  vector sum[P][V];
#pragma GCC unroll 32
  for (int p = 0; p < P; ++p) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sum[p][v] = vector{};
  }
  const i64 s = pixel * static_cast<i64>(sizeof(T)), s3 = 3 * s;
  for (i64 r = 0; r < count; ++r) {
    const T* row = w + runs[r].w;
    const char* base[bases];
#pragma GCC unroll 8
    for (int b = 0; b < bases; ++b) {
      base[b] = reinterpret_cast<const char*>(x + runs[r].x + b * rows_a_base * pixel);
      opaque(base[b]);
    }
    for (i64 k = 0; k < length; ++k, row += w_row) {
      vector line[V];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) line[v] = load(row + v * lanes);
#pragma GCC unroll 32
      for (int p = 0; p < P; ++p) {
        const vector number = splat(number_at<T>(base, p, s, s3));
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) sum[p][v] = fma(number, line[v], sum[p][v]);
      }
#pragma GCC unroll 8
      for (int b = 0; b < bases; ++b) {
        base[b] += sizeof(T);
        opaque(base[b]);
      }
    }
  }
  const bool whole = last == lanes;
#pragma GCC unroll 32
  for (int p = 0; p < P; ++p) {
    T* to = y + p * y_pixel;
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v, to += lanes) {
      if (v + 1 < V || whole) {
        store(to, add ? load(to) + sum[p][v] : sum[p][v]);
      } else {
        store_some(to, add ? load_some(to, last) + sum[p][v] : sum[p][v], last);
      }
    }
  }
}

template <class T, int stack, int height, int V>
void outer(const Numbers<T>& numbers, const T* g, i64 g_pixel, i64 g_row, i64 rows, i64 cols, T* out, i64 out_row) {
  using vector = typename Simd<T>::vector;
  constexpr int lanes = Simd<T>::lanes;
  constexpr int P = stack * height;
  vector sum[P][V];
#pragma GCC unroll 32
  for (int p = 0; p < P; ++p) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sum[p][v] = vector{};
  }
  for (i64 r = 0; r < rows; ++r) {
    const T* x = numbers.x + r * numbers.row;
    const T* lines = g + r * g_row;
    for (i64 i = 0; i < cols; ++i, x += numbers.pixel, lines += g_pixel) {
      vector line[V];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) line[v] = load(lines + v * lanes);
#pragma GCC unroll 32
      for (int p = 0; p < P; ++p) {
        const vector number = splat(x[p / height * numbers.stack + p % height]);
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) sum[p][v] = fma(number, line[v], sum[p][v]);
      }
    }
  }
#pragma GCC unroll 32
  for (int p = 0; p < P; ++p) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      T* to = out + p * out_row + v * lanes;
      store(to, load(to) + sum[p][v]);
    }
  }
}

template <class T>
struct Blocks {
  DotBlock<T> dot[block_vectors][tallest_block] = {};
  OuterBlock<T> outer[block_vectors][tallest_block] = {};
  OuterBlock<T> stacked[block_vectors][tallest_block] = {};

  template <int V, int... P>
  constexpr void fill(std::integer_sequence<int, P...>) {
    ((dot[V][P] = &kerasish::KERASISH_ISA::dot<T, P + 1, V + 1>), ...);
    ((outer[V][P] = &kerasish::KERASISH_ISA::outer<T, 1, P + 1, V + 1>), ...);
  }
  template <int V, int... P>
  constexpr void fill_stacked(std::integer_sequence<int, P...>) {
    ((stacked[V][P] = &kerasish::KERASISH_ISA::outer<T, stack_height, P + 1, V + 1>), ...);
  }
  template <int... V>
  constexpr void fill_all(std::integer_sequence<int, V...>) {
    (fill<V>(std::make_integer_sequence<int, block_height[V]>{}), ...);
    (fill_stacked<V>(std::make_integer_sequence<int, block_height[V] / stack_height>{}), ...);
  }
  constexpr Blocks() { fill_all(std::make_integer_sequence<int, block_vectors>{}); }
};

constexpr Blocks<float> f32_blocks;
constexpr Blocks<double> f64_blocks;

}  // namespace

template <>
DotBlock<float> dot_block(int height, int vectors) {
  return f32_blocks.dot[vectors - 1][height - 1];
}
template <>
DotBlock<double> dot_block(int height, int vectors) {
  return f64_blocks.dot[vectors - 1][height - 1];
}
template <>
OuterBlock<float> outer_block(int height, int vectors) {
  return f32_blocks.outer[vectors - 1][height - 1];
}
template <>
OuterBlock<double> outer_block(int height, int vectors) {
  return f64_blocks.outer[vectors - 1][height - 1];
}

template <>
OuterBlock<float> stacked_outer_block(int height, int vectors) {
  return f32_blocks.stacked[vectors - 1][height - 1];
}
template <>
OuterBlock<double> stacked_outer_block(int height, int vectors) {
  return f64_blocks.stacked[vectors - 1][height - 1];
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
