// Copies of parts of a matrix, laid out in the order in which the microkernel reads them.
//
// `pack` takes `count` rows of k elements and writes them interleaved: out[p * width + i] = x[i * row + p * step]. With
// width == count that is a tile of A; with width the columns of a panel it is a panel of B, whose missing columns are 0.
#pragma once

#include <cstddef>
#include <utility>

#include "half.hpp"
#include "microkernel.hpp"

namespace kerasish {
namespace KERASISH_ISA {

// The type in which elements of S are multiplied.
template <class S>
using Wide = decltype(widen(S{}));

// A block of `lanes` vectors, transposed by exchanging halves of ever smaller size.
#if defined(__clang__) || __GNUC__ >= 12
template <int N, int S, std::size_t... I, class V>
KERASISH_INLINE void exchange(V& a, V& b, std::index_sequence<I...>) {
  const V low = __builtin_shufflevector(a, b, (static_cast<int>(I) & S ? N + static_cast<int>(I) - S : static_cast<int>(I))...);
  b = __builtin_shufflevector(a, b, (static_cast<int>(I) & S ? N + static_cast<int>(I) : static_cast<int>(I) + S)...);
  a = low;
}
template <int N, int S, class V>
KERASISH_INLINE void transpose_from(V (&block)[N]) {
  if constexpr (S > 0) {
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) {
      if (!(i & S)) exchange<N, S>(block[i], block[i | S], std::make_index_sequence<N>{});
    }
    transpose_from<N, S / 2>(block);
  }
}
template <int N, class V>
KERASISH_INLINE void transpose(V (&block)[N]) {
  transpose_from<N, N / 2>(block);
}
#else
template <int N, class V>
KERASISH_INLINE void transpose(V (&block)[N]) {
  for (int i = 0; i < N; ++i) {
    for (int j = 0; j < i; ++j) {
      const auto held = block[i][j];
      block[i][j] = block[j][i];
      block[j][i] = held;
    }
  }
}
#endif

// Elements one after the other along a row of `x` (step 1): blocks are loaded along the rows and transposed. `out` may be
// written up to lanes - 1 elements beyond its end.
template <class S>
inline void pack_rows(const S* x, std::int64_t row, int count, std::int64_t k, Wide<S>* out, int width) {
  using T = Wide<S>;
  constexpr int lanes = Simd<T>::lanes;
  const std::int64_t whole = k / lanes * lanes;
  for (std::int64_t p = 0; p < whole; p += lanes) {
    for (int i = 0; i < width; i += lanes) {
      typename Simd<T>::vector block[lanes];
      const int rows = count - i;
#pragma GCC unroll 16
      for (int r = 0; r < lanes; ++r) {
        block[r] = r < rows ? load(x + (i + r) * row + p) : typename Simd<T>::vector{};
      }
      transpose(block);
#pragma GCC unroll 16
      for (int r = 0; r < lanes; ++r) {
        T* to = out + (p + r) * width + i;
        // What the only block of a row writes too much the next row overwrites.
        if (i == 0 || i + lanes <= width) {
          store(to, block[r]);
        } else {
          store_some(to, block[r], width - i);
        }
      }
    }
  }
  for (std::int64_t p = whole; p < k; ++p) {
    for (int i = 0; i < width; ++i) out[p * width + i] = i < count ? widen(x[i * row + p]) : T{};
  }
}

// Rows one element apart (row 1): vectors are copied. The same excess at the end of `out`.
template <class S>
inline void pack_columns(const S* x, std::int64_t step, int count, std::int64_t k, Wide<S>* out, int width) {
  constexpr int lanes = Simd<Wide<S>>::lanes;
  const int whole = count / lanes * lanes, rest = count - whole;
  for (std::int64_t p = 0; p < k; ++p, x += step, out += width) {
    for (int i = 0; i < whole; i += lanes) store(out + i, load(x + i));
    if (whole < width) store(out + whole, load_some(x + whole, rest));  // the next row overwrites what is too much
    for (int i = whole + lanes; i < width; i += lanes) store(out + i, typename Simd<Wide<S>>::vector{});
  }
}

template <class S>
inline void pack(const S* x, std::int64_t row, std::int64_t step, int count, std::int64_t k, Wide<S>* out, int width) {
  if (row == 1) return pack_columns(x, step, count, k, out, width);
  if (step == 1) return pack_rows(x, row, count, k, out, width);
  for (std::int64_t p = 0; p < k; ++p) {
    for (int i = 0; i < width; ++i) out[p * width + i] = i < count ? widen(x[i * row + p * step]) : Wide<S>{};
  }
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
