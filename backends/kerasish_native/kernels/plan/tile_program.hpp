// Tile programs, checked and laid out for running: the data between tile_step.cpp (what is asked for), tile_compile.cpp
// (which kernels, which memory) and tile_run.cpp (execution).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "../families/tile.hpp"
#include "program.hpp"

namespace kerasish {

// What a register has a value for.
enum class TileKind : std::int32_t { full, row, col, scalar };

struct TileRegister {
  TileKind kind;
  Dtype dtype;
};

// Codes of operations: TileOp, then row reductions from here on.
constexpr int tile_row_code = tile_ops;

struct TileOpRequest {
  int code;
  Dtype dtype;  // of the operands (of the branches of `where`)
  int out;
  int in[3];
};

struct TileLoadRequest {
  int reg;
  View view;
};

struct TileConstant {
  int reg;
  std::uint64_t bits;  // the value's memory, in the register's dtype
};

// A number as the constant of a register of 16-bit floats: rounded to them, float32 in memory.
std::uint64_t tile_half_constant(double number, Dtype dtype);

constexpr int tile_no_reduction = -1;

struct TileStoreRequest {
  int reg;
  View view;
  int reduction;  // TileReduction, or tile_no_reduction
};

// A view over the iteration space: a stride for each row axis that is left after merging, and one for columns.
struct TileView {
  int slot;
  Dtype dtype;
  std::int64_t offset;
  std::vector<std::int64_t> rows;
  std::int64_t col;
};

struct TileLoad {
  int value;
  TileView view;
};

struct TileStore {
  int value;
  TileView view;
  int reduction;
  int factor = -1;  // a second value: what is reduced are products with it
};

struct TileNode {  // an operation, as asked for
  int code;
  Dtype dtype;
  int out;
  int in[4] = {-1, -1, -1, -1};
  int inputs = 0;
  int compare = -1;  // of a joined comparison and choice: which comparison
  // A row sum with two operands is that of their products.

  bool reduces_rows() const { return code >= tile_row_code; }
  int reduction() const { return code - tile_row_code; }
};

// Where a value comes from.
enum class TileOrigin { load, constant, node };

struct TileValue {
  TileKind kind;
  Dtype dtype;
  TileOrigin origin;
  int index;  // in loads, constants or nodes
};

// A program whose row axes are merged and whose 16-bit floats are converted where they are loaded and stored.
struct TileSource {
  std::vector<std::int64_t> rows;  // at least one axis
  std::int64_t row_count = 1;
  std::int64_t cols = 1;
  std::vector<TileValue> values;
  std::vector<TileLoad> loads;
  std::vector<TileConstant> constants;
  std::vector<TileNode> nodes;
  std::vector<TileStore> stores;
};

// Raises std::invalid_argument when the program is not well formed.
TileSource lower_tile_program(std::vector<std::int64_t> rows, std::int64_t cols,
                              const std::vector<TileRegister>& registers, const std::vector<TileLoadRequest>& loads,
                              const std::vector<TileOpRequest>& ops, const std::vector<TileConstant>& constants,
                              const std::vector<TileStoreRequest>& stores);

// Joins operations that one kernel computes together.
void join_tile_operations(TileSource& source);

// How the iteration space is cut.
struct TileShape {
  std::int64_t rows = 1;      // of a tile
  std::int64_t cols = 1;
  bool aligned = true;        // no tile crosses the end of the innermost row axis
  bool split = false;         // a row is spread over several tiles: rows are finished afterwards
  std::int64_t chunk = 1;     // tiles of rows of an item of work
  std::int64_t span = 1;      // tiles of columns of an item of work
  std::int64_t row_chunks = 1;
  std::int64_t col_spans = 1;
  double item_ns = 1;         // estimated time of an item
};

TileShape choose_tile_shape(const TileSource& source);

// When a kernel or a load runs: once a thread, once a block of columns, once a tile.
enum class TileStage { once, block, tile };

struct TileKernel {
  TileFunction function;
  TileStage stage;
  TileKind shape;  // of the result: the loop it runs
  int out;
  int in[4];
  int inputs;
  unsigned ones;     // bit i: operand i has one value a row
  int row_reduction = -1;  // of a row reduction: index in TilePhase::partials where rows are split, else -1
  bool reduces = false;
};

enum class TilePlace : std::uint8_t { unused, slot, load, store };

struct TileCell {  // a value's memory in a phase
  TileKind kind;
  Dtype dtype;
  TilePlace place = TilePlace::unused;
  int index = -1;           // the load or store whose memory it is
  std::size_t offset = 0;   // of a slot: bytes from the start of the working memory
};

struct TileMove {  // a load that is copied into a slot, or a store that is copied out
  int index;
  int value;
  TileStage stage;
};

struct TilePatch {  // a pointer that changes from tile to tile
  int kernel;
  int operand;  // -1: the result
  int value;
};

// A row reduction whose rows are split: which node, and its source value.
struct TilePartial {
  int node;
  int out;  // value
  int in;
  int reduction;
  Dtype dtype;  // of the input
};

// A pair to check before a run: results written straight to `store` would overwrite operands still to be read.
struct TileHazard {
  int store;
  int load;
};

struct TilePhase {
  std::vector<TileCell> cells;
  std::vector<TileKernel> kernels;  // those that run once, once a block, and from `first_of_tile` on, in each tile
  std::size_t first_of_block = 0, first_of_tile = 0;
  std::vector<int> moving;          // cells of loads and stores whose address depends on the tile
  std::vector<TileMove> gathers;
  std::vector<TileMove> scatters;
  std::vector<TileMove> reductions;   // accumulated at the end of each tile
  std::vector<TilePatch> patches;
  std::vector<TileHazard> hazards;
  std::vector<int> constants;
  std::vector<int> combined;          // partials read as row values (row phase)
  std::size_t slot_bytes = 0;
  std::int64_t capacity = 0;
};

enum class TileRole { tiles, rows, cols };

struct TilePhaseOptions {
  TileRole role = TileRole::tiles;
  bool careful = false;  // no result is written straight to its store when a hazard exists
  bool blocks = false;   // for BlockRun: tiles of any rows within the capacity ...
  bool whole = false;    // ... and of all columns; else of any columns too
};

TilePhase compile_tile_phase(const TileSource& source, const TileShape& shape,
                             const std::vector<TilePartial>& partials, const TilePhaseOptions& options);

// Row reductions finished outside of tiles (none unless shape.split).
std::vector<TilePartial> split_row_reductions(const TileSource& source, const TileShape& shape);

constexpr std::int64_t tile_capacity = 2048;         // elements of a register in a tile
constexpr std::int64_t tile_longest_row = 16384;     // of rows that must lie in one tile

}  // namespace kerasish
