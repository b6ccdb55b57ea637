#include "tile_step.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>

#include "../kernel_table.hpp"
#include "../thread_pool.hpp"
#include "tile_run.hpp"

namespace kerasish {
namespace {

constexpr double wake_ns = 20000.0;   // work below this is not shared
constexpr double grain_ns = 6000.0;   // of the parts it is shared in

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

std::size_t items_for(double item_ns, std::size_t items) {
  if (item_ns * static_cast<double>(items) < wake_ns) return items;
  return static_cast<std::size_t>(grain_ns / item_ns) + 1;
}

struct Range {
  const char* begin;
  const char* end;
};

// The bytes a view touches.
Range extent(const TileSource& source, const TileView& view, Slots slots) {
  std::int64_t low = view.offset, high = view.offset + 1;
  const auto widen = [&](std::int64_t size, std::int64_t stride) {
    if (size > 1) (stride < 0 ? low : high) += (size - 1) * stride;
  };
  for (std::size_t axis = 0; axis < source.rows.size(); ++axis) widen(source.rows[axis], view.rows[axis]);
  widen(source.cols, view.col);
  const std::int64_t item = static_cast<std::int64_t>(item_size(view.dtype));
  return {slots[view.slot] + low * item, slots[view.slot] + high * item};
}

}  // namespace

TileStep::TileStep(TileSource source) : source_(std::move(source)), shape_(choose_tile_shape(source_)) {
  partials_ = split_row_reductions(source_, shape_);
  tiles_ = compile_tile_phase(source_, shape_, partials_, {TileRole::tiles, false, false});
  rows_ = compile_tile_phase(source_, shape_, partials_, {TileRole::rows, false, false});
  cols_ = compile_tile_phase(source_, shape_, partials_, {TileRole::cols, false, false});
  if (std::max({tiles_.reductions.size(), rows_.reductions.size(), partials_.size()}) > most_reductions) {
    throw std::invalid_argument("tile_step: more than " + std::to_string(most_reductions) + " reductions in one program");
  }
  runs_blocks_ = source_.rows.size() == 1 && rows_.scatters.empty() && cols_.scatters.empty();
  for (const TileStore& s : source_.stores) {
    runs_blocks_ = runs_blocks_ && s.reduction == tile_no_reduction &&
                   source_.values[at(s.value)].kind == TileKind::full;
    accumulators_.emplace_back();
    held_.emplace_back();
  }
  for (const TileNode& n : source_.nodes) runs_blocks_ = runs_blocks_ && !n.reduces_rows();
  for (const TileMove& m : tiles_.reductions) {
    const bool full = source_.values[at(m.value)].kind == TileKind::full;
    accumulators_[at(m.index)].resize(at(shape_.row_chunks * (full ? source_.cols : 1)));
  }
  const std::int64_t row_tiles = (source_.row_count + tile_capacity - 1) / tile_capacity;
  for (const TileMove& m : rows_.reductions) accumulators_[at(m.index)].resize(at(row_tiles));
  for (const TilePartial& p : partials_) {
    const bool position = p.reduction >= static_cast<int>(TileReduction::argmax);
    partial_values_.emplace_back(at(shape_.col_spans * source_.row_count));
    partial_positions_.emplace_back(position ? at(shape_.col_spans * source_.row_count) : 0);
  }
  for (const TileMove& m : cols_.scatters) {
    const TileValue& v = source_.values[at(m.value)];
    held_[at(m.index)].resize(item_size(v.dtype) * at(v.kind == TileKind::col ? source_.cols : 1));
  }
}

TileStep::~TileStep() = default;

const TilePhase& TileStep::phase(Lazy& lazy, const TilePhaseOptions& options) const {
  std::call_once(lazy.once, [&] {
    lazy.phase = std::make_unique<TilePhase>(compile_tile_phase(source_, shape_, partials_, options));
  });
  return *lazy.phase;
}

bool TileStep::in_danger(const TilePhase& phase, Slots slots) const {
  for (const TileHazard& h : phase.hazards) {
    const Range out = extent(source_, source_.stores[at(h.store)].view, slots);
    const Range in = extent(source_, source_.loads[at(h.load)].view, slots);
    if (out.begin < in.end && in.begin < out.end) return true;
  }
  return false;
}

void TileStep::run(Slots slots) const {
  clear();
  const bool empty = source_.row_count == 0 || source_.cols == 0;
  if (!empty) run_cols(slots);
  if (!empty) run_tiles(slots);
  if (source_.row_count != 0) run_rows(slots);
  if (!empty) finish_cols(slots);
  if (source_.cols != 0) finish_reductions(slots);
}

void TileStep::clear() const {
  for (std::size_t s = 0; s < accumulators_.size(); ++s) {
    const TileStore& store = source_.stores[s];
    if (accumulators_[s].empty()) continue;
    std::fill(accumulators_[s].begin(), accumulators_[s].end(),
              tile_identity(store.reduction, source_.values[at(store.value)].dtype));
  }
  for (std::size_t p = 0; p < partials_.size(); ++p) {
    std::fill(partial_values_[p].begin(), partial_values_[p].end(),
              tile_identity(partials_[p].reduction, partials_[p].dtype));
    std::fill(partial_positions_[p].begin(), partial_positions_[p].end(), -1);
  }
}

void TileStep::run_tiles(Slots slots) const {
  if (tiles_.kernels.empty() && tiles_.scatters.empty() && tiles_.reductions.empty()) return;
  const TilePhase* chosen = &tiles_;
  if (in_danger(tiles_, slots)) chosen = &phase(careful_, {TileRole::tiles, true, false});
  const std::size_t items = at(shape_.row_chunks * shape_.col_spans);
  parallel_for(items, items_for(shape_.item_ns, items), [&](std::size_t begin, std::size_t end) {
    TileRun run(source_, *chosen, partials_, slots);
    for (std::size_t i = begin; i < end; ++i) run_item(run, static_cast<std::int64_t>(i));
  });
}

// Items are numbered by chunks of rows first: neighbours share their columns.
void TileStep::run_item(TileRun& run, std::int64_t item) const {
  const std::int64_t chunk = item % shape_.row_chunks, span = item / shape_.row_chunks;
  const std::int64_t row_begin = chunk * shape_.chunk * shape_.rows;
  const std::int64_t row_end = std::min(source_.row_count, row_begin + shape_.chunk * shape_.rows);
  const std::int64_t col_begin = span * shape_.span * shape_.cols;
  const std::int64_t col_end = std::min(source_.cols, col_begin + shape_.span * shape_.cols);
  std::uint64_t* accumulators[most_reductions];
  TilePartialTarget targets[most_reductions];
  for (std::int64_t col = col_begin; col < col_end; col += shape_.cols) {
    run.block(col, std::min(shape_.cols, col_end - col));
    for (std::size_t r = 0; r < tiles_.reductions.size(); ++r) {
      const TileMove& m = tiles_.reductions[r];
      const bool full = source_.values[at(m.value)].kind == TileKind::full;
      accumulators[r] = accumulators_[at(m.index)].data() + (full ? chunk * source_.cols + col : chunk);
    }
    for (std::int64_t row = row_begin; row < row_end; row += shape_.rows) {
      for (std::size_t p = 0; p < partials_.size(); ++p) {
        const std::int64_t first = span * source_.row_count + row;
        targets[p].values = partial_values_[p].data() + first;
        targets[p].positions = partial_positions_[p].empty() ? nullptr : partial_positions_[p].data() + first;
      }
      run.tile(row, std::min(shape_.rows, row_end - row), accumulators, targets);
    }
  }
}

// Rows that were spread over tiles: combine their partial results, then compute and store what is left.
void TileStep::run_rows(Slots slots) const {
  if (rows_.scatters.empty() && rows_.reductions.empty()) return;
  const std::size_t tiles = at((source_.row_count + tile_capacity - 1) / tile_capacity);
  parallel_for(tiles, 2, [&](std::size_t begin, std::size_t end) {
    TileRun run(source_, rows_, partials_, slots);
    run.block(0, 1);
    for (std::size_t t = begin; t < end; ++t) {
      const std::int64_t row0 = static_cast<std::int64_t>(t) * tile_capacity;
      const std::int64_t rows = std::min(tile_capacity, source_.row_count - row0);
      for (int p : rows_.combined) combine(run, at(p), row0, rows);
      std::uint64_t* accumulators[most_reductions];
      for (std::size_t r = 0; r < rows_.reductions.size(); ++r) {
        accumulators[r] = accumulators_[at(rows_.reductions[r].index)].data() + t;
      }
      run.tile(row0, rows, accumulators, nullptr);
    }
  });
}

void TileStep::combine(TileRun& run, std::size_t p, std::int64_t row0, std::int64_t rows) const {
  const TilePartial& partial = partials_[p];
  const bool position = !partial_positions_[p].empty();
  const Dtype dtype = position ? Dtype::int32 : partial.dtype;
  char* out = run.data(partial.out);
  for (std::int64_t i = 0; i < rows; ++i) {
    std::uint64_t value = tile_identity(partial.reduction, partial.dtype);
    std::int64_t found = -1;
    for (std::int64_t s = 0; s < shape_.col_spans; ++s) {
      const std::size_t k = at(s * source_.row_count + row0 + i);
      if (!position) {
        value = tile_combine(partial.reduction, partial.dtype, value, partial_values_[p][k]);
      } else if (found < 0 || tile_displaces(partial.reduction, partial.dtype, value, partial_values_[p][k])) {
        value = partial_values_[p][k];
        found = partial_positions_[p][k];
      }
    }
    tile_put(dtype, position ? static_cast<std::uint64_t>(found) : value, out + at(i) * item_size(dtype));
  }
}

// Values per column and single ones: computed before anything is stored, kept, and stored at the end.
void TileStep::run_cols(Slots slots) const {
  if (cols_.scatters.empty()) return;
  TileRun run(source_, cols_, partials_, slots);
  for (std::int64_t col = 0; col < source_.cols; col += shape_.cols) {
    const std::int64_t cols = std::min(shape_.cols, source_.cols - col);
    run.block(col, cols);
    for (const TileMove& m : cols_.scatters) {
      const bool by_col = source_.values[at(m.value)].kind == TileKind::col;
      const std::size_t item = item_size(source_.values[at(m.value)].dtype);
      if (by_col || col == 0) {
        std::memcpy(held_[at(m.index)].data() + (by_col ? at(col) * item : 0), run.data(m.value),
                    item * at(by_col ? cols : 1));
      }
    }
  }
}

void TileStep::finish_cols(Slots slots) const {
  for (const TileMove& m : cols_.scatters) {
    const TileView& view = source_.stores[at(m.index)].view;
    const std::int64_t item = static_cast<std::int64_t>(item_size(view.dtype));
    const int size = item == 1 ? 0 : item == 2 ? 1 : item == 4 ? 2 : 3;
    const std::int64_t n = static_cast<std::int64_t>(held_[at(m.index)].size()) / item;
    kernels().tile.scatter[size](slots[view.slot] + view.offset * item, held_[at(m.index)].data(), 1, n, 0, view.col, n);
  }
}

void TileStep::finish_reductions(Slots slots) const {
  for (std::size_t s = 0; s < accumulators_.size(); ++s) {
    const TileStore& store = source_.stores[s];
    if (store.reduction == tile_no_reduction) continue;
    const TileValue& value = source_.values[at(store.value)];
    const std::int64_t cols = value.kind == TileKind::full ? source_.cols : 1;
    const std::int64_t chunks = static_cast<std::int64_t>(accumulators_[s].size()) / cols;
    const std::int64_t item = static_cast<std::int64_t>(item_size(store.view.dtype));
    char* base = slots[store.view.slot] + store.view.offset * item;
    const std::uint64_t* parts = accumulators_[s].data();
    parallel_for(at(cols), at(16384 / std::max<std::int64_t>(chunks, 1) + 1), [&](std::size_t begin, std::size_t end) {
      for (std::int64_t j = static_cast<std::int64_t>(begin); j < static_cast<std::int64_t>(end); ++j) {
        std::uint64_t total = tile_identity(store.reduction, value.dtype);
        for (std::int64_t c = 0; c < chunks; ++c) {
          total = tile_combine(store.reduction, value.dtype, total, parts[c * cols + j]);
        }
        tile_put(store.view.dtype, total, base + (value.kind == TileKind::full ? j * store.view.col : 0) * item);
      }
    });
  }
}

const TilePhase& TileStep::block_phase(bool whole, Slots slots) const {
  const TilePhase& plain = phase(blocks_[whole], {TileRole::tiles, false, true, whole});
  return in_danger(plain, slots) ? phase(careful_blocks_[whole], {TileRole::tiles, true, true, whole}) : plain;
}

BlockRun::BlockRun(const TileStep* step, Slots slots) : step_(step), slots_(slots) {
  static std::atomic<std::uint64_t> runs{0};
  serial_ = ++runs;
}

Epilogue BlockRun::epilogue() const {
  if (step_ == nullptr) return {};
  return {[](const void* context, std::int64_t row0, std::int64_t row1, std::int64_t col0, std::int64_t col1) {
            static_cast<const BlockRun*>(context)->run(row0, row1, col0, col1);
          },
          this};
}

void BlockRun::run(std::int64_t row0, std::int64_t row1, std::int64_t col0, std::int64_t col1) const {
  struct Kept {
    std::uint64_t serial = 0;
    bool whole = false;
    std::int64_t col = -1, cols = -1;
    std::optional<TileRun> tiles;
  };
  thread_local Kept kept;
  const bool whole = col1 - col0 == step_->cols() && step_->cols() <= tile_capacity;
  if (kept.serial != serial_ || kept.whole != whole) {
    kept.tiles.emplace(step_->source_, step_->block_phase(whole, slots_), step_->partials_, slots_, Scratch::epilogue);
    kept.serial = serial_;
    kept.whole = whole;
    kept.col = -1;
  }
  const std::int64_t cols = std::min(tile_capacity, std::max<std::int64_t>(col1 - col0, 1));
  const std::int64_t rows = tile_capacity / cols;
  for (std::int64_t col = col0; col < col1; col += cols) {
    const std::int64_t width = std::min(cols, col1 - col);
    if (kept.col != col || kept.cols != width) kept.tiles->block(col, width);
    kept.col = col;
    kept.cols = width;
    for (std::int64_t row = row0; row < row1; row += rows) {
      kept.tiles->tile(row, std::min(rows, row1 - row), nullptr, nullptr);
    }
  }
}

}  // namespace kerasish
