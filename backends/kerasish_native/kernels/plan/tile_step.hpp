// Elementwise programs with reductions, run tile by tile so that intermediate results never leave the cache.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "../families/epilogue.hpp"
#include "tile_program.hpp"

namespace kerasish {

class TileStep final : public Step {
 public:
  explicit TileStep(TileSource source);
  ~TileStep() override;

  void run(Slots slots) const override;

  // Whether a BlockRun may run it: one row axis, only full results, no reductions.
  bool runs_blocks() const { return runs_blocks_; }
  std::int64_t rows() const { return source_.row_count; }
  std::int64_t cols() const { return source_.cols; }

 private:
  friend class BlockRun;

  struct Lazy {
    std::once_flag once;
    std::unique_ptr<TilePhase> phase;
  };

  const TilePhase& phase(Lazy& lazy, const TilePhaseOptions& options) const;
  bool in_danger(const TilePhase& phase, Slots slots) const;
  const TilePhase& block_phase(bool whole, Slots slots) const;
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
  mutable Lazy careful_, blocks_[2], careful_blocks_[2];  // of blocks: any columns, all columns
  // Reductions: accumulators of each chunk of rows (stores), of each span of columns (split rows). One run at a time.
  mutable std::vector<std::vector<std::uint64_t>> accumulators_;
  mutable std::vector<std::vector<std::uint64_t>> partial_values_;
  mutable std::vector<std::vector<std::int64_t>> partial_positions_;
  mutable std::vector<std::vector<char>> held_;  // results of the column phase, written last
};

// One run of a program as the epilogue of a kernel, which calls it while blocks of an operand are in cache. Several threads
// may be inside at once; each keeps what it has laid out for its tiles from block to block.
class BlockRun {
 public:
  // step: one that runs_blocks(), or null for no epilogue. It and the slots outlive the run.
  BlockRun(const TileStep* step, Slots slots);
  BlockRun(const BlockRun&) = delete;
  BlockRun& operator=(const BlockRun&) = delete;

  Epilogue epilogue() const;

 private:
  void run(std::int64_t row0, std::int64_t row1, std::int64_t col0, std::int64_t col1) const;

  const TileStep* step_;
  Slots slots_;
  std::uint64_t serial_;  // tells runs apart
};

}  // namespace kerasish
