// Elementwise programs with reductions, run tile by tile so that intermediate results never leave the cache.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "tile_program.hpp"

namespace kerasish {

class TileStep final : public Step {
 public:
  explicit TileStep(TileSource source);
  ~TileStep() override;

  void run(Slots slots) const override;

  // Whether run_block may be used: one row axis, only full results, no reductions.
  bool runs_blocks() const { return runs_blocks_; }
  std::int64_t rows() const { return source_.row_count; }
  std::int64_t cols() const { return source_.cols; }

  // The part [row0, row1) x [col0, col1) of the result, on the calling thread. For kernels that call it while that part of
  // an operand is in cache; several threads may be inside at once.
  void run_block(Slots slots, std::int64_t row0, std::int64_t row1, std::int64_t col0, std::int64_t col1) const;

 private:
  struct Lazy {
    std::once_flag once;
    std::unique_ptr<TilePhase> phase;
  };

  const TilePhase& phase(Lazy& lazy, const TilePhaseOptions& options) const;
  bool in_danger(const TilePhase& phase, Slots slots) const;
  void run_tiles(Slots slots) const;
  void run_item(class TileRun& run, std::int64_t item) const;
  void run_rows(Slots slots) const;
  void combine(class TileRun& run, std::size_t partial, std::int64_t row0, std::int64_t rows) const;
  void run_cols(Slots slots) const;
  void finish_cols(Slots slots) const;
  void finish_reductions(Slots slots) const;
  void clear() const;

  static constexpr std::size_t most_reductions = 32;  // stores that reduce, and row reductions: refused beyond

  TileSource source_;
  TileShape shape_;
  bool runs_blocks_ = false;
  std::vector<TilePartial> partials_;
  TilePhase tiles_, rows_, cols_;
  mutable Lazy careful_, blocks_, careful_blocks_;
  // Reductions: accumulators of each chunk of rows (stores), of each span of columns (split rows). One run at a time.
  mutable std::vector<std::vector<std::uint64_t>> accumulators_;
  mutable std::vector<std::vector<std::uint64_t>> partial_values_;
  mutable std::vector<std::vector<std::int64_t>> partial_positions_;
  mutable std::vector<std::vector<char>> held_;  // results of the column phase, written last
};

}  // namespace kerasish
