// Products in which one side is a few vectors and the other one lies along k: sums of vector products.
#pragma once

#include "gemm_product.hpp"

namespace kerasish {
namespace KERASISH_ISA {

// c[y * c_many + x * c_few] = sum over p of many[y * stride + p] few[x * few_stride + p].
template <class S>
struct Dots {
  std::int64_t many_count, few_count, k;
  const S* many;
  std::int64_t many_stride;
  const S* few;
  std::int64_t few_stride;
  S* c;
  std::int64_t c_many, c_few;
};

// X of the few times lanes / X of the many: one sum a lane when the sums are added up.
template <class S, int X>
void dot_tile(const Dots<S>& d, std::int64_t y0, std::int64_t x0) {
  using T = Wide<S>;
  using vector = typename Simd<T>::vector;
  constexpr int lanes = Simd<T>::lanes, Y = lanes / X;
  const std::int64_t ys = least(Y, d.many_count - y0), xs = least(X, d.few_count - x0);
  const S* y[Y];
  const S* x[X];
#pragma GCC unroll 16
  for (int i = 0; i < Y; ++i) y[i] = d.many + (y0 + least(i, ys - 1)) * d.many_stride;
#pragma GCC unroll 16
  for (int i = 0; i < X; ++i) x[i] = d.few + (x0 + least(i, xs - 1)) * d.few_stride;
  vector sum[lanes] = {};
  std::int64_t p = 0;
  for (; p + lanes <= d.k; p += lanes) {
    vector few[X];
#pragma GCC unroll 16
    for (int i = 0; i < X; ++i) few[i] = load(x[i] + p);
#pragma GCC unroll 16
    for (int j = 0; j < Y; ++j) {
      const vector one = load(y[j] + p);
#pragma GCC unroll 16
      for (int i = 0; i < X; ++i) sum[j * X + i] = fma(one, few[i], sum[j * X + i]);
    }
  }
  if (p < d.k) {
    const int rest = static_cast<int>(d.k - p);
#pragma GCC unroll 16
    for (int j = 0; j < Y; ++j) {
      const vector one = load_some(y[j] + p, rest);
#pragma GCC unroll 16
      for (int i = 0; i < X; ++i) sum[j * X + i] = fma(one, load_some(x[i] + p, rest), sum[j * X + i]);
    }
  }
  transpose(sum);
#pragma GCC unroll 16
  for (int i = 1; i < lanes; ++i) sum[0] = sum[0] + sum[i];
  for (std::int64_t j = 0; j < ys; ++j) {
    for (std::int64_t i = 0; i < xs; ++i) narrow(sum[0][j * X + i], d.c[(y0 + j) * d.c_many + (x0 + i) * d.c_few]);
  }
}

// All sums of the many [y0, y1).
template <class S>
void dot_rows(const Dots<S>& d, std::int64_t y0, std::int64_t y1) {
  constexpr int lanes = Simd<Wide<S>>::lanes;
  constexpr int widest = lanes >= 8 ? 4 : lanes >= 4 ? 2 : 1;
  std::int64_t x = 0;
  const auto columns = [&](auto tile, int X) {
    for (std::int64_t y = y0; y < y1; y += lanes / X) tile(d, y, x);
    x += X;
  };
  while (d.few_count - x > widest / 2) columns(dot_tile<S, widest>, widest);
  if constexpr (widest > 2) {
    if (d.few_count - x > 1) columns(dot_tile<S, 2>, 2);
  }
  if (d.few_count - x > 0) columns(dot_tile<S, 1>, 1);
}

// Finishes parts [y0, y1) of the many.
template <class S, class Finish>
void multiply_dots(const Dots<S>& d, int threads, const Finish& finish) {
  constexpr int lanes = Simd<Wide<S>>::lanes;
  // A part is worth a thread from about 2 us on.
  const std::int64_t each = most(1, d.k * d.few_count / lanes + 6 * d.few_count + d.k / 4);
  const std::int64_t worth = threads == 1 ? d.many_count : most(1, 8000 / each);
  const std::int64_t part = most(worth, ceil_div(d.many_count, std::int64_t{4} * threads));
  parallel_for(static_cast<std::size_t>(d.many_count), static_cast<std::size_t>(round_up(part, lanes)),
               [&](std::size_t begin, std::size_t end) {
                 dot_rows(d, static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end));
                 finish(static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end));
               });
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
