// The innermost loops of matrix products and convolutions: R x V vectors of sums held in registers.
//
// A tile of C, R rows by V vectors, is the sum over k of column k of A (one number a row, broadcast) times row k of B (V
// vectors). `accumulate` may be called several times on one tile (a convolution calls it once a tap); `write` ends it.
// Each element is summed in the order of k whatever the shape of its tile, so how a matrix is cut into tiles shows in no
// result. On one core with AVX-512 every shape with R * V >= 8 runs at the speed of its multiplications while B comes
// from the first or second cache; tall tiles read B less often.
#pragma once

#include "simd.hpp"

namespace kerasish {
namespace KERASISH_ISA {

template <class T>
struct Simd;
template <>
struct Simd<float> {
  using vector = f32v;
  static constexpr int lanes = f32_lanes;
};
template <>
struct Simd<double> {
  using vector = f64v;
  static constexpr int lanes = f64_lanes;
};

// The tallest tile of V vectors whose sums fit into the registers, beside V vectors of B and one number of A.
constexpr int tallest(int V) {
#if defined(__AVX512F__)
  return V <= 2 ? 14 : V <= 4 ? 6 : 2;
#else
  return V <= 2 ? 6 : V <= 4 ? 2 : 1;
#endif
}

// How a tile reads its rows of A. Element (i, p) is ...
template <class T>
struct Rows {  // a[i * row + p]
  const T* a;
  std::int64_t row;
  template <int R>
  KERASISH_INLINE T at(int i, std::int64_t p) const { return a[i * row + p]; }
};
template <class T>
struct Columns {  // a[i + p * column]; a packed tile of R rows has column == R
  const T* a;
  std::int64_t column;
  template <int R>
  KERASISH_INLINE T at(int i, std::int64_t p) const { return a[i + p * column]; }
};
template <class T>
struct Pointers {  // rows[i][offset + p]
  const T* const* rows;
  std::int64_t offset;
  template <int R>
  KERASISH_INLINE T at(int i, std::int64_t p) const { return rows[i][offset + p]; }
};

template <class T, int R, int V>
struct Tile {
  using vector = typename Simd<T>::vector;
  vector sum[R][V];

  KERASISH_INLINE void clear() {
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < V; ++j) sum[i][j] = vector{};
    }
  }

  // Adds the product of k columns of A with k rows of B; row p of B is the V vectors at b + p * b_row.
  template <class A>
  KERASISH_INLINE void accumulate(const A& a, const T* b, std::int64_t b_row, std::int64_t k) {
    constexpr int lanes = Simd<T>::lanes;
    for (std::int64_t p = 0; p < k; ++p, b += b_row) {
      vector line[V];
#pragma GCC unroll 8
      for (int j = 0; j < V; ++j) line[j] = load(b + j * lanes);
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i) {
        const vector x = splat(a.template at<R>(i, p));
#pragma GCC unroll 8
        for (int j = 0; j < V; ++j) sum[i][j] = fma(x, line[j], sum[i][j]);
      }
    }
  }

  // Brings the lines of C that `write` will touch into the cache.
  static KERASISH_INLINE void prefetch(const T* c, std::int64_t c_row) {
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < V; j += 64 / vector_bytes) __builtin_prefetch(c + i * c_row + j * Simd<T>::lanes, 1);
    }
  }

  // Stores the tile at c, or adds it to what is there.
  KERASISH_INLINE void write(T* c, std::int64_t c_row, bool add) const {
    constexpr int lanes = Simd<T>::lanes;
    if (add) {
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
        for (int j = 0; j < V; ++j) {
          T* to = c + i * c_row + j * lanes;
          store(to, load(to) + sum[i][j]);
        }
      }
      return;
    }
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < V; ++j) store(c + i * c_row + j * lanes, sum[i][j]);
    }
  }

  // The same for a tile of one vector of which only the first `count` lanes belong to C.
  KERASISH_INLINE void write_some(T* c, std::int64_t c_row, bool add, int count) const {
    static_assert(V == 1, "only the last column of vectors is partial");
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      T* to = c + i * c_row;
      store_some(to, add ? load_some(to, count) + sum[i][0] : sum[i][0], count);
    }
  }
};

}  // namespace KERASISH_ISA
}  // namespace kerasish
