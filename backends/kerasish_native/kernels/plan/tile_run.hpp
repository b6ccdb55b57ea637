// One thread's execution of a phase of a tile program.
#pragma once

#include "../scratch.hpp"
#include "tile_program.hpp"

namespace kerasish {

// Where row reductions that span tiles leave a span's result: values (and positions), one a row of the tile.
struct TilePartialTarget {
  std::uint64_t* values;
  std::int64_t* positions;
};

class TileRun {
 public:
  // Works in the thread's scratch memory of this use, which nobody else may ask for until the last tile is done.
  TileRun(const TileSource& source, const TilePhase& phase, const std::vector<TilePartial>& partials, Slots slots,
          Scratch use = Scratch::tile);

  // Moves on to the columns [col0, col0 + cols); then tiles of rows within them.
  void block(std::int64_t col0, std::int64_t cols);
  // Computes a tile. accumulators: one array a reduction of the phase, its first element for col0 (rows: a single one);
  // targets: one an entry of `partials`.
  void tile(std::int64_t row0, std::int64_t rows, std::uint64_t* const* accumulators, const TilePartialTarget* targets);

  // Memory of a value that lies in a slot: for loads and results that others move.
  char* data(int value) const { return data_[value]; }

 private:
  void prepare(std::size_t begin, std::size_t end, std::int64_t rows);
  void bind(const TileKernel& kernel, TileCall& call, std::int64_t rows) const;
  void gather(const TileMove& move, std::int64_t row0, std::int64_t rows);
  void scatter(const TileMove& move, std::int64_t row0, std::int64_t rows);
  void point(std::int64_t row0);
  void reduce(const TileMove& move, std::int64_t rows, std::uint64_t* accumulator) const;
  void leave_partials(std::int64_t rows, const TilePartialTarget* targets) const;
  char* address_of(const TileView& view, std::int64_t row0) const;
  std::int64_t pitch_of(int value) const;

  const TileSource& source_;
  const TilePhase& phase_;
  const std::vector<TilePartial>& partials_;
  Slots slots_;
  char** data_;       // of each cell
  TileCall* calls_;   // of each kernel
  std::int64_t col0_ = 0, cols_ = 0;
  std::int64_t bound_rows_ = -1;
};

std::size_t tile_run_bytes(const TilePhase& phase);

// Accumulators: eight bytes each, double for floats, 64-bit integers else.
std::uint64_t tile_identity(int reduction, Dtype dtype);
std::uint64_t tile_combine(int reduction, Dtype dtype, std::uint64_t a, std::uint64_t b);
// Whether b takes the place of a as the position of the largest or smallest; a comes first.
bool tile_displaces(int reduction, Dtype dtype, std::uint64_t a, std::uint64_t b);
void tile_put(Dtype dtype, std::uint64_t accumulator, char* out);

// Calls body(row, offset, count) for runs of rows within the innermost row axis; `offset` is the view's, in elements.
template <class Body>
void for_row_runs(const TileSource& source, const TileView& view, std::int64_t row0, std::int64_t rows, Body&& body) {
  const std::size_t inner = source.rows.size() - 1;
  std::int64_t row = 0;
  while (row < rows) {
    std::int64_t rest = row0 + row, offset = 0;
    for (std::size_t axis = inner; axis > 0; --axis) {
      offset += rest % source.rows[axis] * view.rows[axis];
      rest /= source.rows[axis];
    }
    offset += rest * view.rows[0];
    const std::int64_t left = source.rows[inner] - (row0 + row) % source.rows[inner];
    const std::int64_t count = left < rows - row ? left : rows - row;
    body(row, offset, count);
    row += count;
  }
}

}  // namespace kerasish
