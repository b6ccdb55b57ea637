// The transforms of Winograd's minimal filtering F(4 x 4, 3 x 3).
//
//   Y = A' [(G g G') . (B' d B)] A     (Lavin, Gray: "Fast algorithms for convolutional neural networks", CVPR 2016)
//
// turns a 6 x 6 tile d of the input into 4 x 4 outputs Y with 36 products instead of 144. A line of it is a product of
// polynomials, known from its values at 0, a, -a, b, -b and infinity. The usual points 1 and 2 lose a decimal digit;
// with a = 5/8 and b = 3/2, found by measuring, the error is about twice that of the plain sum in float32
// (root mean square over 16 to 256 channels), and all constants but those of G are exact.
#pragma once

#include "conv_block.hpp"

namespace kerasish {
namespace KERASISH_ISA {

constexpr int tile_in = 6, tile_out = 4;
constexpr int components = tile_in * tile_in;

template <class T>
struct Points {
  static constexpr T a = T(0.625), b = T(1.5);
  static constexpr T a2 = a * a, b2 = b * b, a3 = a2 * a, b3 = b2 * b;
  static constexpr T sum2 = a2 + b2, product2 = a2 * b2;
  // The denominators of G: products of the differences of the points.
  static constexpr T g0 = T(1) / product2, ga = T(1) / (T(2) * a2 * (a2 - b2)), gb = T(1) / (T(2) * b2 * (b2 - a2));
};

template <class T>
using Vec = typename Simd<T>::vector;

template <class T>
KERASISH_INLINE Vec<T> scaled_add(T factor, Vec<T> x, Vec<T> y) {
  return fma(splat(factor), x, y);
}

// B' d: a line of the input.
template <class T>
KERASISH_INLINE void input_line(const Vec<T> (&d)[tile_in], Vec<T> (&to)[tile_in]) {
  using P = Points<T>;
  const Vec<T> even_a = scaled_add<T>(-P::b2, d[2], d[4]), odd_a = scaled_add<T>(-P::b2, d[1], d[3]);
  const Vec<T> even_b = scaled_add<T>(-P::a2, d[2], d[4]), odd_b = scaled_add<T>(-P::a2, d[1], d[3]);
  to[0] = scaled_add<T>(P::product2, d[0], scaled_add<T>(-P::sum2, d[2], d[4]));
  to[1] = scaled_add<T>(P::a, odd_a, even_a);
  to[2] = scaled_add<T>(-P::a, odd_a, even_a);
  to[3] = scaled_add<T>(P::b, odd_b, even_b);
  to[4] = scaled_add<T>(-P::b, odd_b, even_b);
  to[5] = scaled_add<T>(P::product2, d[1], scaled_add<T>(-P::sum2, d[3], d[5]));
}

// A' m: a line of the output.
template <class T>
KERASISH_INLINE void output_line(const Vec<T> (&m)[tile_in], Vec<T> (&to)[tile_out]) {
  using P = Points<T>;
  const Vec<T> even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
  to[0] = m[0] + even_a + even_b;
  to[1] = scaled_add<T>(P::a, odd_a, P::b * odd_b);
  to[2] = scaled_add<T>(P::a2, even_a, P::b2 * even_b);
  to[3] = scaled_add<T>(P::a3, odd_a, scaled_add<T>(P::b3, odd_b, m[5]));
}

// A y: its adjoint.
template <class T>
KERASISH_INLINE void output_line_back(const Vec<T> (&y)[tile_out], Vec<T> (&to)[tile_in]) {
  using P = Points<T>;
  const Vec<T> even_a = scaled_add<T>(P::a2, y[2], y[0]), odd_a = scaled_add<T>(P::a2, y[3], y[1]);
  const Vec<T> even_b = scaled_add<T>(P::b2, y[2], y[0]), odd_b = scaled_add<T>(P::b2, y[3], y[1]);
  to[0] = y[0];
  to[1] = scaled_add<T>(P::a, odd_a, even_a);
  to[2] = scaled_add<T>(-P::a, odd_a, even_a);
  to[3] = scaled_add<T>(P::b, odd_b, even_b);
  to[4] = scaled_add<T>(-P::b, odd_b, even_b);
  to[5] = y[3];
}

// G g: a line of the kernel.
template <class T>
KERASISH_INLINE void kernel_line(const Vec<T> (&g)[3], Vec<T> (&to)[tile_in]) {
  using P = Points<T>;
  const Vec<T> even_a = scaled_add<T>(P::a2, g[2], g[0]) * P::ga, odd_a = g[1] * (P::a * P::ga);
  const Vec<T> even_b = scaled_add<T>(P::b2, g[2], g[0]) * P::gb, odd_b = g[1] * (P::b * P::gb);
  to[0] = g[0] * P::g0;
  to[1] = even_a + odd_a;
  to[2] = even_a - odd_a;
  to[3] = even_b + odd_b;
  to[4] = even_b - odd_b;
  to[5] = g[2];
}

// G' s: its adjoint.
template <class T>
KERASISH_INLINE void kernel_line_back(const Vec<T> (&s)[tile_in], Vec<T> (&to)[3]) {
  using P = Points<T>;
  const Vec<T> even_a = (s[1] + s[2]) * P::ga, odd_a = (s[1] - s[2]) * P::ga;
  const Vec<T> even_b = (s[3] + s[4]) * P::gb, odd_b = (s[3] - s[4]) * P::gb;
  to[0] = scaled_add<T>(P::g0, s[0], even_a + even_b);
  to[1] = scaled_add<T>(P::a, odd_a, P::b * odd_b);
  to[2] = scaled_add<T>(P::a2, even_a, scaled_add<T>(P::b2, even_b, s[5]));
}

// line applied to the columns and then to the rows of an n x n block: m x m numbers. `read(i, j)` gives a number of the
// block, `write(i, j, x)` takes one of the result.
template <class T, int n, int m, class Line, class Read, class Write>
KERASISH_INLINE void both_ways(Line line, Read read, Write write) {
  Vec<T> half[m][n];
#pragma GCC unroll 6
  for (int j = 0; j < n; ++j) {
    Vec<T> from[n], to[m];
#pragma GCC unroll 6
    for (int i = 0; i < n; ++i) from[i] = read(i, j);
    line(from, to);
#pragma GCC unroll 6
    for (int i = 0; i < m; ++i) half[i][j] = to[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < m; ++i) {
    Vec<T> to[m];
    line(half[i], to);
#pragma GCC unroll 6
    for (int j = 0; j < m; ++j) write(i, j, to[j]);
  }
}

// Component k of a transformed tile is `plane` numbers from component k - 1.

template <class T>
KERASISH_INLINE void transform_input(const T* d, i64 row, i64 pixel, T* u, i64 plane) {
  both_ways<T, tile_in, tile_in>(
      [](const auto& from, auto& to) { input_line<T>(from, to); },
      [&](int i, int j) { return load(d + i * row + j * pixel); },
      [&](int i, int j, Vec<T> x) { store(u + (i * tile_in + j) * plane, x); });
}

// `write(i, j, y)` takes the outputs.
template <class T, class Write>
KERASISH_INLINE void transform_output(const T* m, i64 plane, Write write) {
  both_ways<T, tile_in, tile_out>(
      [](const auto& from, auto& to) { output_line<T>(from, to); },
      [&](int i, int j) { return load(m + (i * tile_in + j) * plane); }, write);
}

template <class T>
KERASISH_INLINE void transform_gradient(const T* y, i64 row, i64 pixel, T* u, i64 plane) {
  both_ways<T, tile_out, tile_in>(
      [](const auto& from, auto& to) { output_line_back<T>(from, to); },
      [&](int i, int j) { return load(y + i * row + j * pixel); },
      [&](int i, int j, Vec<T> x) { store(u + (i * tile_in + j) * plane, x); });
}

template <class T, class Read>
KERASISH_INLINE void transform_kernel(Read read, T* u, i64 plane) {
  both_ways<T, 3, tile_in>([](const auto& from, auto& to) { kernel_line<T>(from, to); }, read,
                           [&](int i, int j, Vec<T> x) { store(u + (i * tile_in + j) * plane, x); });
}

template <class T, class Read, class Write>
KERASISH_INLINE void transform_kernel_back(Read read, Write write) {
  both_ways<T, tile_in, 3>([](const auto& from, auto& to) { kernel_line_back<T>(from, to); }, read, write);
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
