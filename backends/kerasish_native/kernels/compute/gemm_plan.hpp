// How one product is cut: into tiles, blocks that fit the caches, and parts for the threads.
//
// The order in which an element is summed depends on k and on strides (blocks of k_block), never on the cut or the threads.
#pragma once

#include "../thread_pool.hpp"
#include "microkernel.hpp"

namespace kerasish {
namespace KERASISH_ISA {

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// A block of B, k_block_most rows by columns_block columns of float32, takes 384 KiB of the second-level cache, and one
// tile's rows of A, k_block_most deep, 21 KiB of the first-level cache.
constexpr std::int64_t k_block_most = 384;
constexpr std::int64_t columns_block = 256;
// The depth of columns of A that all fall on a sixteenth of the second-level cache.
constexpr std::int64_t k_block_aliased = 256;
constexpr std::int64_t page = 4096;
// Packed B stays in the third-level cache.
constexpr std::int64_t packed_most_bytes = std::int64_t{8} << 20;
constexpr std::int64_t rows_part_most = 2048;

constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return ceil_div(a, b) * b; }
KERASISH_INLINE std::int64_t least(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
KERASISH_INLINE std::int64_t most(std::int64_t a, std::int64_t b) { return a > b ? a : b; }

struct GemmPlan {
  std::int64_t m, n, k;
  int V;                   // vectors a panel of B is wide
  std::int64_t panel;      // columns a panel of B is wide
  std::int64_t tiles;      // how many tiles cover m rows; their heights differ by at most one
  std::int64_t k_block;    // rows of B in a block
  std::int64_t columns;    // columns of B packed at a time
  std::int64_t row_parts;  // parts of each such stretch of columns: one job of the thread pool each
  std::int64_t column_parts;
  bool a_by_rows;  // else by columns
  bool pack_a, pack_b;
  bool direct_c;  // tiles are written where the result belongs; else they pass through a block of scratch memory

  std::int64_t first_row(std::int64_t tile) const { return tile * (m / tiles) + least(tile, m % tiles); }
};

// Rough cost of a part in units of one vector multiplication: arithmetic, reading A and B, packing tiles of A.
inline double part_cost(const GemmPlan& plan, int lanes, double rows, double columns) {
  const double k = static_cast<double>(plan.k);
  double cost = 400 + (rows * columns * k + 4 * (rows + columns) * k) / lanes;
  if (plan.pack_a) cost += 0.5 * rows * k * static_cast<double>(ceil_div(static_cast<std::int64_t>(columns), columns_block));
  return cost;
}

// Cuts `columns` columns into parts such that the thread that is done last is done soonest.
inline void cut_into_parts(GemmPlan& plan, int lanes, std::int64_t columns, int threads) {
  constexpr double fork = 8000;  // waking the pool and waiting for it, about 1 us
  const std::int64_t panels = ceil_div(columns, plan.panel), tiles = plan.tiles;
  const std::int64_t jobs = std::int64_t{4} * threads;
  plan.row_parts = ceil_div(plan.m, rows_part_most);
  plan.column_parts = 1;
  double best = part_cost(plan, lanes, static_cast<double>(plan.m), static_cast<double>(columns));
  if (threads == 1 || best < 2 * fork) return;
  for (std::int64_t across = 1; across <= least(panels, jobs); across *= 2) {
    for (std::int64_t down = 1; down <= least(tiles, jobs / across); ++down) {
      const double rows = static_cast<double>(ceil_div(tiles, down)) * static_cast<double>(plan.m) / static_cast<double>(tiles);
      const double wide = static_cast<double>(least(columns, ceil_div(panels, across) * plan.panel));
      // The tenth: threads seldom end at the same time, and smaller parts even that out.
      const double rounds = static_cast<double>(ceil_div(down * across, threads)) + 0.1;
      const double cost = fork + rounds * part_cost(plan, lanes, rows, wide);
      if (cost < best) {
        best = cost;
        plan.row_parts = down;
        plan.column_parts = across;
      }
    }
  }
  plan.row_parts = most(plan.row_parts, ceil_div(plan.m, rows_part_most));
}

// The widest panel for tiles as tall as m allows: few rows leave registers for more columns.
inline int panel_vectors(std::int64_t m) {
  for (int V = 8; V > 2; V /= 2) {
    if (m <= tallest(V)) return V;
  }
  return 2;
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
