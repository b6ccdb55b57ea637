// From a call to products: batches, roles of the operands, choice of the algorithm.
#pragma once

#include "gemm_dot.hpp"
#include "gemm_product.hpp"

namespace kerasish {
namespace KERASISH_ISA {

// Drops batch axes of size 1 and takes a last batch axis that continues the rows of A and C into them.
inline void fold_batch(GemmCall& g) {
  int axes = 0;
  for (int i = 0; i < g.batch_axes; ++i) {
    if (g.batch_sizes[i] == 1) continue;
    g.batch_sizes[axes] = g.batch_sizes[i];
    g.a_batch[axes] = g.a_batch[i];
    g.b_batch[axes] = g.b_batch[i];
    g.c_batch[axes] = g.c_batch[i];
    ++axes;
  }
  while (axes > 0) {
    const int last = axes - 1;
    if (g.m == 1) {
      g.a.row = g.a_batch[last];
      g.c.row = g.c_batch[last];
    }
    if (g.b_batch[last] != 0 || g.a_batch[last] != g.m * g.a.row || g.c_batch[last] != g.m * g.c.row) break;
    g.m *= g.batch_sizes[last];
    axes = last;
  }
  g.batch_axes = axes;
}

// C^T = B^T A^T.
inline void swap_roles(GemmCall& g) {
  const Matrix a = g.a;
  g.a = {g.b.data, g.b.col, g.b.row};
  g.b = {a.data, a.col, a.row};
  g.c = {g.c.data, g.c.col, g.c.row};
  const std::int64_t m = g.m;
  g.m = g.n;
  g.n = m;
  for (int i = 0; i < g.batch_axes; ++i) {
    const std::int64_t a_batch = g.a_batch[i];
    g.a_batch[i] = g.b_batch[i];
    g.b_batch[i] = a_batch;
  }
}

// Strides that no element uses become the convenient ones.
inline void settle_strides(GemmCall& g) {
  if (g.k == 1) g.a.col = g.b.row = 1;
  if (g.n == 1) {
    if (g.b.row != 1) g.b.col = 1;
    g.c.col = 1;
  }
  if (g.m == 1) {
    if (g.a.col != 1) g.a.row = 1;
    g.c.row = g.n;
  }
}

// Which entry of the batch begins where.
struct Offsets {
  std::int64_t a = 0, b = 0, c = 0;
};
inline Offsets offsets_of(const GemmCall& g, std::int64_t entry) {
  Offsets at;
  for (int i = g.batch_axes - 1; i >= 0; --i) {
    const std::int64_t index = entry % g.batch_sizes[i];
    entry /= g.batch_sizes[i];
    at.a += index * g.a_batch[i];
    at.b += index * g.b_batch[i];
    at.c += index * g.c_batch[i];
  }
  return at;
}

// Tells the epilogue of finished blocks, in the rows and columns of the caller.
struct Finish {
  Epilogue epilogue;
  bool swapped;
  std::int64_t first_row;

  void operator()(std::int64_t r0, std::int64_t r1, std::int64_t c0, std::int64_t c1) const {
    if (epilogue.apply == nullptr) return;
    if (swapped) {
      epilogue.apply(epilogue.context, first_row + c0, first_row + c1, r0, r1);
    } else {
      epilogue.apply(epilogue.context, first_row + r0, first_row + r1, c0, c1);
    }
  }
};

enum class Way { tiles, dots_of_rows, dots_of_columns };

// Costs of one element of C in vector operations, from measurements on Zen 5: a tile uses `lanes` columns even when fewer
// exist, a sum of vector products ends with some twelve operations, packing B takes a third of one an element.
inline Way choose_way(const GemmCall& g, int lanes) {
  if (g.a.col == 1 && g.n < lanes && g.n * (g.k + 12 * lanes) < lanes * g.k) return Way::dots_of_rows;
  if (g.b.row == 1 && g.b.col != 1 && g.m * 20 < g.k) return Way::dots_of_columns;
  return Way::tiles;
}

template <class S>
void run_dots(const Product<S>& x, bool of_rows, int threads, const Finish& finish) {
  Dots<S> d{};
  d.k = x.k;
  d.c = x.c;
  if (of_rows) {
    d.many_count = x.m, d.many = x.a, d.many_stride = x.a_row, d.c_many = x.c_row;
    d.few_count = x.n, d.few = x.b, d.few_stride = x.b_col, d.c_few = x.c_col;
  } else {
    d.many_count = x.n, d.many = x.b, d.many_stride = x.b_col, d.c_many = x.c_col;
    d.few_count = x.m, d.few = x.a, d.few_stride = x.a_row, d.c_few = x.c_row;
  }
  const std::int64_t step = of_rows ? x.b_row : x.a_col;
  if (step != 1) {
    S* copy = static_cast<S*>(scratch(Scratch::pack_a, static_cast<std::size_t>(d.few_count * d.k) * sizeof(S)));
    for (std::int64_t i = 0; i < d.few_count; ++i) {
      for (std::int64_t p = 0; p < d.k; ++p) copy[i * d.k + p] = d.few[i * d.few_stride + p * step];
    }
    d.few = copy;
    d.few_stride = d.k;
  }
  multiply_dots(d, threads, [&](std::int64_t y0, std::int64_t y1) {
    if (of_rows) {
      finish(y0, y1, 0, x.n);
    } else {
      finish(0, x.m, y0, y1);
    }
  });
}

// A small C that is deep: parts of k are multiplied side by side and added up in order.
constexpr std::int64_t deep_part = 2048;
inline bool is_deep(std::int64_t m, std::int64_t n, std::int64_t k, int lanes) {
  return k >= 2 * deep_part && ceil_div(m, tallest(2)) * ceil_div(n, 2 * lanes) <= 6;
}

template <class S>
void multiply_deep(const Product<S>& x) {
  const std::int64_t parts = ceil_div(x.k, deep_part), size = x.m * x.n;
  S* sums = static_cast<S*>(scratch(Scratch::other, static_cast<std::size_t>(parts * size) * sizeof(S)));
  parallel_for(static_cast<std::size_t>(parts), 1, [&](std::size_t begin, std::size_t end) {
    for (std::int64_t i = static_cast<std::int64_t>(begin); i < static_cast<std::int64_t>(end); ++i) {
      Product<S> part = x;
      part.a += i * deep_part * x.a_col;
      part.b += i * deep_part * x.b_row;
      part.k = least(deep_part, x.k - i * deep_part);
      part.c = sums + i * size;
      part.c_row = x.n;
      part.c_col = 1;
      multiply_planned(part, plan_product(part, 1), [](auto...) {});
    }
  });
  for (std::int64_t i = 1; i < parts; ++i) {
    for (std::int64_t j = 0; j < size; ++j) sums[j] += sums[i * size + j];
  }
  for (std::int64_t r = 0; r < x.m; ++r) {
    for (std::int64_t c = 0; c < x.n; ++c) x.c[r * x.c_row + c * x.c_col] = sums[r * x.n + c];
  }
}

// Everything that is decided once for all entries of a batch.
template <class S>
class Batch {
  static constexpr int lanes = Simd<Wide<S>>::lanes;
  // Sums are held as S itself: those of 16-bit floats are not, and are never cut along k.
  static constexpr bool sums_in_place = sizeof(S) == sizeof(Wide<S>);

 public:
  explicit Batch(const GemmCall& call) : g_(call), finish_{call.epilogue, false, 0} {
    fold_batch(g_);
    rows_ = g_.m;
    settle_strides(g_);
    // Few columns beside a C or an A that lies along its columns are better seen as few rows.
    const bool narrow = g_.n * 4 <= lanes && g_.m > g_.n && g_.a.row == 1 && g_.a.col != 1;
    if (narrow || (g_.c.col != 1 && g_.c.row == 1)) {
      swap_roles(g_);
      settle_strides(g_);
      finish_.swapped = true;
    }
    way_ = choose_way(g_, lanes);
  }

  void run() {
    if (g_.m == 0 || g_.n == 0) return;
    std::int64_t entries = 1;
    for (int i = 0; i < g_.batch_axes; ++i) entries *= g_.batch_sizes[i];
    const int threads = num_threads();
    const bool side_by_side = entries > 1 && (entries >= 2 * threads || g_.m * g_.n * g_.k < (1 << 19));
    const Product<S> first = product({});
    const bool deep = g_.k > 0 && !side_by_side && way_ == Way::tiles && sums_in_place &&
                      is_deep(g_.m, g_.n, g_.k, lanes);
    GemmPlan plan{};
    if (g_.k > 0 && way_ == Way::tiles && !deep) {
      plan = plan_product(first, side_by_side ? 1 : threads);
    }
    if (!side_by_side) {
      for (std::int64_t e = 0; e < entries; ++e) entry(e, plan, deep, threads);
      return;
    }
    const std::int64_t work = g_.m * g_.n * (g_.k + 8);
    parallel_for(static_cast<std::size_t>(entries), static_cast<std::size_t>(ceil_div(1 << 17, work)), [&](std::size_t begin, std::size_t end) {
      for (std::size_t e = begin; e < end; ++e) entry(static_cast<std::int64_t>(e), plan, deep, 1);
    });
  }

 private:
  Product<S> product(const Offsets& at) const {
    return {g_.m, g_.n, g_.k, static_cast<const S*>(g_.a.data) + at.a, g_.a.row, g_.a.col,
            static_cast<const S*>(g_.b.data) + at.b, g_.b.row, g_.b.col, static_cast<S*>(g_.c.data) + at.c, g_.c.row, g_.c.col};
  }

  void entry(std::int64_t e, const GemmPlan& plan, bool deep, int threads) const {
    const Product<S> x = product(offsets_of(g_, e));
    Finish finish = finish_;
    finish.first_row = e * rows_;
    if (x.k == 0) {
      for (std::int64_t r = 0; r < x.m; ++r) {
        for (std::int64_t c = 0; c < x.n; ++c) x.c[r * x.c_row + c * x.c_col] = S{};
      }
      finish(0, x.m, 0, x.n);
    } else if (deep) {
      if constexpr (sums_in_place) multiply_deep(x);
      finish(0, x.m, 0, x.n);
    } else if (way_ == Way::tiles) {
      multiply_planned(x, plan, finish);
    } else {
      run_dots(x, way_ == Way::dots_of_rows, threads, finish);
    }
  }

  GemmCall g_;
  Finish finish_;
  Way way_;
  std::int64_t rows_ = 0;
};

// Declared for all, defined in one file a type.
struct Integers {};
template <class S>
void gemm_of(const GemmCall& call);

}  // namespace KERASISH_ISA
}  // namespace kerasish
