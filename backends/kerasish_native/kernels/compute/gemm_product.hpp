// C = A B by packed or direct tiles.
#pragma once

#include "../families/gemm.hpp"
#include "../scratch.hpp"
#include "gemm_plan.hpp"
#include "gemm_strip.hpp"
#include "packing.hpp"

namespace kerasish {
namespace KERASISH_ISA {

// One product of matrices stored as S.
template <class S>
struct Product {
  std::int64_t m, n, k;
  const S* a;
  std::int64_t a_row, a_col;
  const S* b;
  std::int64_t b_row, b_col;
  S* c;
  std::int64_t c_row, c_col;
};

// Calls f(V, offset, panels, last) for the stretches of equal panels that cover `columns` columns: as many of V vectors as
// fit, then narrower ones; `last` is how many columns of the last panel exist.
template <class F>
KERASISH_INLINE void for_stretches(int V, int lanes, std::int64_t columns, F f) {
  std::int64_t offset = 0;
  for (; V > 1; V /= 2) {
    const std::int64_t panels = (columns - offset) / (V * lanes);
    if (panels == 0) continue;
    f(V, offset, panels, V * lanes);
    offset += panels * V * lanes;
  }
  if (offset == columns) return;
  const std::int64_t panels = ceil_div(columns - offset, lanes);
  f(1, offset, panels, static_cast<int>(columns - offset - (panels - 1) * lanes));
}

template <class S>
class Blocks {
  using T = Wide<S>;
  static constexpr int lanes = Simd<T>::lanes;

 public:
  Blocks(const Product<S>& product, const GemmPlan& plan) : x_(product), plan_(plan) {}

  // Multiplies columns [start, end) and calls finish(r0, r1, c0, c1) for each finished part.
  template <class Finish>
  void run(std::int64_t start, std::int64_t end, const Finish& finish) {
    start_ = start;
    width_ = round_up(end - start, lanes);
    packed_ = nullptr;
    if (plan_.pack_b) pack_b(end);
    const std::int64_t parts = plan_.row_parts * plan_.column_parts;
    const std::int64_t panels = ceil_div(end - start, plan_.panel);
    parallel_for(static_cast<std::size_t>(parts), 1, [&](std::size_t first, std::size_t beyond) {
      for (std::size_t part = first; part < beyond; ++part) {
        const std::int64_t down = static_cast<std::int64_t>(part) % plan_.row_parts;
        const std::int64_t across = static_cast<std::int64_t>(part) / plan_.row_parts;
        const std::int64_t t0 = plan_.tiles * down / plan_.row_parts, t1 = plan_.tiles * (down + 1) / plan_.row_parts;
        const std::int64_t c0 = start + panels * across / plan_.column_parts * plan_.panel;
        const std::int64_t c1 = least(end, start + panels * (across + 1) / plan_.column_parts * plan_.panel);
        if (t0 == t1 || c0 >= c1) continue;
        for (std::int64_t c = c0; c < c1; c += columns_block) multiply(t0, t1, c, least(c1, c + columns_block));
        finish(plan_.first_row(t0), plan_.first_row(t1), c0, c1);
      }
    });
  }

 private:
  std::int64_t depth(std::int64_t p) const { return least(plan_.k_block, x_.k - p); }
  // Where the block of B that begins at row p holds the panels from column c on.
  T* packed_at(std::int64_t p, std::int64_t c) const { return packed_ + p * width_ + (c - start_) * depth(p); }

  void pack_b(std::int64_t end) {
    packed_ = static_cast<T*>(scratch(Scratch::pack_b, static_cast<std::size_t>(width_ * x_.k) * sizeof(T)));
    const std::int64_t panels = ceil_div(end - start_, plan_.panel), blocks = ceil_div(x_.k, plan_.k_block);
    const std::size_t grain = static_cast<std::size_t>(ceil_div(16384, plan_.panel * plan_.k_block));
    parallel_for(static_cast<std::size_t>(panels * blocks), grain, [&](std::size_t first, std::size_t beyond) {
      for (std::size_t job = first; job < beyond; ++job) {
        const std::int64_t p = static_cast<std::int64_t>(job) / panels * plan_.k_block;
        const std::int64_t c = start_ + static_cast<std::int64_t>(job) % panels * plan_.panel;
        pack_panels(p, c, least(end, c + plan_.panel));
      }
    });
  }

  void pack_panels(std::int64_t p, std::int64_t c0, std::int64_t c1) const {
    const std::int64_t k = depth(p);
    for_stretches(plan_.V, lanes, c1 - c0, [&](int V, std::int64_t offset, std::int64_t panels, int last) {
      for (std::int64_t i = 0; i < panels; ++i) {
        const std::int64_t c = c0 + offset + i * V * lanes;
        pack(x_.b + p * x_.b_row + c * x_.b_col, x_.b_col, x_.b_row, i + 1 == panels ? last : V * lanes, k,
             packed_at(p, c), V * lanes);
      }
    });
  }

  // Rows of tiles [t0, t1) by columns [c0, c1), which are at most columns_block.
  void multiply(std::int64_t t0, std::int64_t t1, std::int64_t c0, std::int64_t c1) const {
    const std::int64_t r0 = plan_.first_row(t0), rows = plan_.first_row(t1) - r0;
    Strip<T> s{};
    if (plan_.direct_c) {
      s.c = reinterpret_cast<T*>(x_.c) + r0 * x_.c_row + c0;
      s.c_row = x_.c_row;
    } else {
      s.c_row = round_up(c1 - c0, lanes);
      s.c = static_cast<T*>(scratch(Scratch::tile, static_cast<std::size_t>(rows * s.c_row) * sizeof(T)));
    }
    // A tile of A, then the last, partial panel of a B that is not packed.
    const std::int64_t a_size = plan_.pack_a ? round_up(plan_.k_block * tallest(1) + lanes, lanes) : 0;
    T* own = static_cast<T*>(scratch(Scratch::pack_a, static_cast<std::size_t>(a_size + plan_.k_block * lanes) * sizeof(T)));
    for (std::int64_t p = 0; p < x_.k; p += plan_.k_block) {
      s.k = depth(p);
      s.add = p > 0;
      const int partial = static_cast<int>((c1 - c0) % lanes);
      if (!packed_ && partial) {
        pack(x_.b + p * x_.b_row + (c1 - partial) * x_.b_col, x_.b_col, x_.b_row, partial, s.k, own + a_size, lanes);
      }
      T* const c = s.c;
      for (std::int64_t t = t0; t < t1; ++t) {
        const std::int64_t r = plan_.first_row(t);
        const int R = static_cast<int>(plan_.first_row(t + 1) - r);
        s.c = c + (r - r0) * s.c_row;
        read_a(s, r, R, p, own);
        row_of_tiles(s, R, p, c0, c1, own + a_size);
      }
      s.c = c;
    }
    if (!plan_.direct_c) deliver(s.c, s.c_row, r0, rows, c0, c1);
  }

  void read_a(Strip<T>& s, std::int64_t r, int R, std::int64_t p, T* own) const {
    const S* a = x_.a + r * x_.a_row + p * x_.a_col;
    if (plan_.pack_a) {
      pack(a, x_.a_row, x_.a_col, R, s.k, own, R);
      s.a = own;
      s.a_stride = R;
    } else {
      s.a = reinterpret_cast<const T*>(a);
      s.a_stride = plan_.a_by_rows ? x_.a_row : x_.a_col;
    }
  }

  void row_of_tiles(Strip<T> s, int R, std::int64_t p, std::int64_t c0, std::int64_t c1, const T* last_panel) const {
    const bool by_rows = !plan_.pack_a && plan_.a_by_rows;
    T* const c = s.c;
    for_stretches(plan_.V, lanes, c1 - c0, [&](int V, std::int64_t offset, std::int64_t panels, int last) {
      s.c = c + offset;
      s.panels = panels;
      s.last = last;
      const auto function = strip_function<T>(by_rows, R, V);
      if (packed_) {
        s.b = packed_at(p, c0 + offset);
        s.b_row = V * lanes;
        s.b_next = s.k * V * lanes;
        return function(s);
      }
      s.b = reinterpret_cast<const T*>(x_.b) + p * x_.b_row + c0 + offset;
      s.b_row = x_.b_row;
      s.b_next = V * lanes;
      if (last == V * lanes) return function(s);
      s.panels = panels - 1;
      s.last = lanes;
      if (s.panels > 0) function(s);
      s.c = c + offset + (panels - 1) * lanes;
      s.b = last_panel;
      s.b_row = lanes;
      s.panels = 1;
      s.last = last;
      function(s);
    });
  }

  // Rounds a finished block to the stored type and puts it where it belongs.
  void deliver(const T* block, std::int64_t block_row, std::int64_t r0, std::int64_t rows, std::int64_t c0,
               std::int64_t c1) const {
    const std::int64_t columns = c1 - c0;
    for (std::int64_t r = 0; r < rows; ++r, block += block_row) {
      S* c = x_.c + (r0 + r) * x_.c_row + c0 * x_.c_col;
      std::int64_t j = 0;
      if (x_.c_col == 1) {
        for (; j + lanes <= columns; j += lanes) store(c + j, load(block + j));
      }
      for (; j < columns; ++j) narrow(block[j], c[j * x_.c_col]);
    }
  }

  const Product<S>& x_;
  const GemmPlan& plan_;
  std::int64_t start_ = 0, width_ = 0;
  T* packed_ = nullptr;
};

template <class S>
GemmPlan plan_product(const Product<S>& x, int threads) {
  using T = Wide<S>;
  constexpr int lanes = Simd<T>::lanes;
  constexpr std::int64_t size = sizeof(S);
  constexpr bool narrow_storage = sizeof(S) != sizeof(T);
  // Rows or columns a multiple of a page apart fall on few sets of the caches. Short tiles, which read B often, suffer.
  const bool a_aliased = x.a_col != 1 && x.a_col * size % page == 0, b_aliased = x.b_row * size % page == 0;
  constexpr bool short_tiles = tallest(2) < 8;
  GemmPlan plan{};
  plan.m = x.m;
  plan.n = x.n;
  plan.k = x.k;
  plan.V = panel_vectors(x.m);
  plan.panel = plan.V * lanes;
  plan.tiles = ceil_div(x.m, tallest(plan.V));
  plan.k_block = ceil_div(x.k, ceil_div(x.k, a_aliased ? k_block_aliased : k_block_most));
  plan.a_by_rows = x.a_col == 1;
  plan.pack_a = narrow_storage || (x.a_col != 1 && x.a_row != 1) || (short_tiles && a_aliased && x.n >= 128);
  plan.pack_b = narrow_storage || x.b_col != 1 || (short_tiles && b_aliased && x.m >= 64);
  plan.direct_c = !narrow_storage && x.c_col == 1;
  plan.columns = x.n;
  if (plan.pack_b) {
    const std::int64_t fit = packed_most_bytes / (x.k * static_cast<std::int64_t>(sizeof(T)));
    plan.columns = least(x.n, most(columns_block, fit / columns_block * columns_block));
  }
  cut_into_parts(plan, lanes, plan.columns, threads);
  if (plan.row_parts > 1) plan.tiles = round_up(plan.tiles, plan.row_parts);
  return plan;
}

template <class S, class Finish>
void multiply_planned(const Product<S>& x, const GemmPlan& plan, const Finish& finish) {
  Blocks<S> blocks(x, plan);
  for (std::int64_t c = 0; c < x.n; c += plan.columns) blocks.run(c, least(x.n, c + plan.columns), finish);
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
