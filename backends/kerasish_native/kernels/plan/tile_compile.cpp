// Tile programs: how the iteration space is cut, which kernels run and where each value lies.
#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "../kernel_table.hpp"
#include "tile_program.hpp"

namespace kerasish {
namespace {

constexpr std::int64_t item_elements = 32768;   // of an item of work, about
constexpr std::int64_t expanded_cols = 128;     // up to here a value per column is repeated for each row of the tile
constexpr std::int64_t spread_cols = 24;        // up to here a value per row is written out before it meets elements
constexpr std::int64_t transposed_cols = 64;
constexpr double streaming_bytes = 24e6;        // loads and stores of a program that do not fit in a large cache
constexpr std::int64_t reduced_rows = 8;        // of a tile when rows are long and are reduced over

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Nodes that a set of values is computed from. Row reductions of `finished` partials are not looked behind.
std::vector<bool> needed_nodes(const TileSource& source, const std::vector<int>& roots, bool behind_reductions) {
  std::vector<bool> wanted(source.values.size(), false), needed(source.nodes.size(), false);
  for (int v : roots) wanted[at(v)] = true;
  for (std::size_t n = source.nodes.size(); n-- > 0;) {
    const TileNode& node = source.nodes[n];
    if (!wanted[at(node.out)]) continue;
    needed[n] = true;
    if (node.reduces_rows() && !behind_reductions) continue;
    for (int i = 0; i < node.inputs; ++i) wanted[at(node.in[i])] = true;
  }
  return needed;
}

bool is_full(const TileSource& source, int value) { return source.values[at(value)].kind == TileKind::full; }

// Whether some element's result depends on a reduction of its row: rows must then lie whole in a tile.
bool needs_whole_rows(const TileSource& source) {
  std::vector<bool> depends(source.values.size(), false);
  for (const TileNode& node : source.nodes) {
    bool any = node.reduces_rows();
    for (int i = 0; i < node.inputs; ++i) any = any || depends[at(node.in[i])];
    depends[at(node.out)] = any;
    if (any && (is_full(source, node.out) || (node.reduces_rows() && depends[at(node.in[0])]))) return true;
  }
  return false;
}

bool has_transposed_view(const TileSource& source) {
  const auto strided = [](const TileView& v) { return v.col != 1 && v.col != 0; };
  for (const TileLoad& l : source.loads) {
    if (is_full(source, l.value) && strided(l.view)) return true;
  }
  for (const TileStore& s : source.stores) {
    if (is_full(source, s.value) && s.reduction == tile_no_reduction && strided(s.view)) return true;
  }
  return false;
}

// Nanoseconds an element, roughly: only to decide how many threads are worth waking.
double node_cost(const TileNode& node) {
  if (node.reduces_rows()) return 0.05;
  switch (static_cast<TileOp>(node.code)) {
    case TileOp::divide: case TileOp::sqrt: case TileOp::rsqrt: return 0.15;
    case TileOp::exp: case TileOp::expm1: case TileOp::log: case TileOp::log1p: case TileOp::tanh: case TileOp::sigmoid:
    case TileOp::erf: case TileOp::sin: case TileOp::cos: case TileOp::tan: return 0.4;
    case TileOp::power: case TileOp::floor_divide: case TileOp::remainder: return 3.0;
    default: return node.dtype == Dtype::float64 ? 0.08 : 0.04;
  }
}

}  // namespace

std::vector<TilePartial> split_row_reductions(const TileSource& source, const TileShape& shape) {
  std::vector<TilePartial> partials;
  if (!shape.split) return partials;
  for (std::size_t n = 0; n < source.nodes.size(); ++n) {
    const TileNode& node = source.nodes[n];
    if (node.reduces_rows()) {
      partials.push_back({static_cast<int>(n), node.out, node.in[0], node.reduction(), node.dtype});
    }
  }
  return partials;
}

TileShape choose_tile_shape(const TileSource& source) {
  TileShape shape;
  const std::int64_t rows = std::max<std::int64_t>(source.row_count, 1), cols = std::max<std::int64_t>(source.cols, 1);
  bool any_full = false, any_row_reduction = false, any_col_reduction = false, wide = false;
  double cost = 0.0, bytes = 0.0;  // an element
  for (const TileValue& v : source.values) {
    any_full = any_full || v.kind == TileKind::full;
    wide = wide || (v.kind == TileKind::full && item_size(v.dtype) == 8);
  }
  for (const TileNode& n : source.nodes) {
    any_row_reduction = any_row_reduction || n.reduces_rows();
    if (is_full(source, n.out) || n.reduces_rows()) cost += node_cost(n);
  }
  std::int64_t arrays = 0;
  for (const TileNode& n : source.nodes) arrays += is_full(source, n.out) ? 1 : 0;
  for (const TileLoad& l : source.loads) arrays += is_full(source, l.value) ? 1 : 0;
  for (const TileLoad& l : source.loads) bytes += is_full(source, l.value) ? item_size(l.view.dtype) : 0;
  for (const TileStore& s : source.stores) {
    any_col_reduction = any_col_reduction || (s.reduction != tile_no_reduction && is_full(source, s.value));
    bytes += is_full(source, s.value) ? item_size(s.view.dtype) : 0;
  }
  cost += 0.01 * bytes;
  // Twice as many elements lie in cache when they have half the bytes. What streams from memory does best in short turns.
  const bool streams = bytes * static_cast<double>(rows) * static_cast<double>(cols) > streaming_bytes;
  std::int64_t capacity = wide || streams ? tile_capacity / 2 : tile_capacity;
  if (arrays == 1 && !wide) capacity = tile_capacity * 4;  // nothing but a reduction of what is read in place
  const bool whole = needs_whole_rows(source);
  if (whole && cols > tile_longest_row) {
    throw std::invalid_argument("tile_step: rows of " + std::to_string(cols) +
                                " elements are too long for a row reduction whose result meets elements again");
  }
  if (whole) {
    shape.cols = cols;
  } else if (has_transposed_view(source)) {
    shape.cols = std::min(cols, transposed_cols);
  } else if (any_col_reduction && !any_row_reduction && rows > 1) {
    shape.cols = std::min(cols, std::max(capacity / reduced_rows, capacity / rows));
  } else {
    shape.cols = std::min(cols, capacity);
  }
  shape.rows = std::clamp<std::int64_t>(capacity / shape.cols, 1, rows);
  const std::int64_t inner = source.rows.back();
  if (source.rows.size() > 1 && inner > 0 && shape.rows > 1) {
    std::int64_t divisor = std::min(shape.rows, inner);
    while (inner % divisor != 0) --divisor;
    shape.aligned = divisor * 4 >= shape.rows;
    if (shape.aligned) shape.rows = divisor;
  }
  const std::int64_t row_tiles = ceil_div(rows, shape.rows), col_tiles = ceil_div(cols, shape.cols);
  shape.split = col_tiles > 1 || !any_full || source.cols == 0;
  const std::int64_t tiles = std::max<std::int64_t>(1, item_elements / (shape.rows * shape.cols));
  if (any_row_reduction) {
    shape.span = std::min(col_tiles, tiles);
    shape.chunk = std::min(row_tiles, std::max<std::int64_t>(1, tiles / shape.span));
  } else {
    shape.chunk = std::min(row_tiles, tiles);
    shape.span = std::min(col_tiles, std::max<std::int64_t>(1, tiles / shape.chunk));
  }
  if (any_col_reduction) shape.chunk = std::max(shape.chunk, ceil_div(row_tiles, 128));  // bounds the accumulators
  shape.row_chunks = source.row_count == 0 ? 0 : ceil_div(row_tiles, shape.chunk);
  shape.col_spans = source.cols == 0 ? 0 : ceil_div(col_tiles, shape.span);
  shape.item_ns = 50.0 + cost * static_cast<double>(shape.chunk * shape.rows * shape.span * shape.cols);
  return shape;
}

namespace {

class PhaseCompiler {
 public:
  PhaseCompiler(const TileSource& source, const TileShape& shape, const std::vector<TilePartial>& partials,
                const TilePhaseOptions& options)
      : source_(source), shape_(shape), partials_(partials), options_(options) {
    for (const TileValue& v : source_.values) phase_.cells.push_back({v.kind, v.dtype});
    rows_ = options_.role == TileRole::cols ? 1 : options_.role == TileRole::rows ? tile_capacity : shape_.rows;
    cols_ = options_.role == TileRole::rows ? 1 : shape_.cols;
    if (options_.blocks) {
      cols_ = options_.whole ? std::max<std::int64_t>(1, source_.cols) : tile_capacity;
      rows_ = options_.whole ? std::max<std::int64_t>(1, tile_capacity / cols_) : tile_capacity;
    }
    phase_.capacity = options_.blocks ? tile_capacity : rows_ * cols_;
  }

  TilePhase compile() {
    choose_work();
    place_loads();
    emit_kernels();
    place_results();
    sort_by_stage();
    collect_patches();
    return std::move(phase_);
  }

 private:
  const TileValue& value(int v) const { return source_.values[at(v)]; }

  static TileStage stage_of(TileKind kind) {
    switch (kind) {
      case TileKind::scalar: return TileStage::once;
      case TileKind::col: return TileStage::block;
      default: return TileStage::tile;
    }
  }

  bool is_mine(const TileStore& store) const {
    const TileKind kind = value(store.value).kind;
    const bool reduces = store.reduction != tile_no_reduction;
    switch (options_.role) {
      case TileRole::cols: return !reduces && (kind == TileKind::col || kind == TileKind::scalar);
      case TileRole::rows: return shape_.split && kind == TileKind::row;
      default: return kind == TileKind::full || (kind == TileKind::row && !shape_.split);
    }
  }

  // What this phase computes: nodes, loads and constants behind its stores.
  void choose_work() {
    std::vector<int> roots;
    for (std::size_t s = 0; s < source_.stores.size(); ++s) {
      if (!is_mine(source_.stores[s])) continue;
      const TileStore& store = source_.stores[s];
      roots.push_back(store.value);
      if (store.factor >= 0) roots.push_back(store.factor);
      const TileMove move{static_cast<int>(s), store.value, stage_of(value(store.value).kind)};
      (store.reduction == tile_no_reduction ? phase_.scatters : phase_.reductions).push_back(move);
    }
    if (options_.role == TileRole::tiles) {
      for (const TilePartial& p : partials_) roots.push_back(p.out);
    }
    needed_ = needed_nodes(source_, roots, options_.role == TileRole::tiles);
    last_use_.assign(source_.values.size(), -1);
    const int end = static_cast<int>(source_.nodes.size());
    for (std::size_t n = 0; n < source_.nodes.size(); ++n) {
      if (!needed_[n] || is_combined(source_.nodes[n])) continue;
      for (int i = 0; i < source_.nodes[n].inputs; ++i) last_use_[at(source_.nodes[n].in[i])] = static_cast<int>(n);
    }
    for (int v : roots) last_use_[at(v)] = end;
    if (options_.role == TileRole::tiles) {
      for (const TilePartial& p : partials_) last_use_[at(p.in)] = end;  // positions are looked up at the end of the tile
    }
  }

  bool is_combined(const TileNode& node) const { return node.reduces_rows() && options_.role == TileRole::rows; }

  void place_loads() {
    for (std::size_t c = 0; c < source_.values.size(); ++c) {
      const TileValue& v = source_.values[c];
      if (v.origin == TileOrigin::node || last_use_[c] < 0) continue;
      if (v.origin == TileOrigin::constant) {
        phase_.constants.push_back(static_cast<int>(c));
        give_slot(static_cast<int>(c));
      } else if (reads_in_place(static_cast<int>(c))) {
        phase_.cells[c].place = TilePlace::load;
        phase_.cells[c].index = v.index;
      } else {
        phase_.gathers.push_back({v.index, static_cast<int>(c), stage_of(v.kind)});
        gathered_.push_back(static_cast<int>(c));
      }
    }
    // All gathers of a tile run before its kernels: their slots are taken from the start.
    for (int v : gathered_) give_slot(v);
  }

  bool reads_in_place(int v) const {
    const TileView& view = source_.loads[at(value(v).index)].view;
    const bool even = source_.rows.size() == 1 || rows_ == 1 || (shape_.aligned && !options_.blocks && options_.role == TileRole::tiles);
    if (phase_.scatters.size() > 1) {  // a store of a load must not see what another store wrote
      for (const TileMove& m : phase_.scatters) {
        if (m.value == v) return false;
      }
    }
    switch (value(v).kind) {
      case TileKind::scalar: return true;
      case TileKind::col: return view.col == 1;
      case TileKind::row: return even && view.rows.back() == 1;
      default: return even && view.col == 1;
    }
  }

  std::size_t slot_size(int v) const {
    const std::size_t item = item_size(phase_.cells[at(v)].dtype);
    std::int64_t elements = 1;
    switch (phase_.cells[at(v)].kind) {
      case TileKind::full: elements = phase_.capacity; break;
      case TileKind::row: elements = rows_; break;
      case TileKind::col: elements = cols_; break;
      case TileKind::scalar: break;
    }
    // A vector of slack for kernels that write whole vectors; the odd line keeps slots off each other's cache sets.
    return (at(elements) * item + 63) / 64 * 64 + 192;
  }

  void give_slot(int v) {
    TileCell& cell = phase_.cells[at(v)];
    cell.place = TilePlace::slot;
    const std::size_t size = slot_size(v);
    if (cell.kind == TileKind::full) {
      for (std::size_t f = 0; f < free_.size(); ++f) {
        if (free_[f].second == size) {
          cell.offset = free_[f].first;
          free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(f));
          return;
        }
      }
    }
    cell.offset = phase_.slot_bytes;
    phase_.slot_bytes += size;
  }

  // After node n: slots of values that are not read any more serve others. Values that outlive a tile stay.
  void release(int v, int n) {
    TileCell& cell = phase_.cells[at(v)];
    if (cell.place != TilePlace::slot || cell.kind != TileKind::full || last_use_[at(v)] != n) return;
    if (std::find(kept_.begin(), kept_.end(), v) != kept_.end()) return;
    last_use_[at(v)] = -2;  // once, though it may be both operands
    free_.emplace_back(cell.offset, slot_size(v));
  }

  int new_cell(TileKind kind, Dtype dtype) {
    phase_.cells.push_back({kind, dtype});
    last_use_.push_back(static_cast<int>(source_.nodes.size()));
    return static_cast<int>(phase_.cells.size()) - 1;
  }

  void emit_kernels() {
    for (std::size_t n = 0; n < source_.nodes.size(); ++n) {
      if (!needed_[n]) continue;
      const TileNode& node = source_.nodes[n];
      if (is_combined(node)) {
        for (std::size_t p = 0; p < partials_.size(); ++p) {
          if (partials_[p].node == static_cast<int>(n)) phase_.combined.push_back(static_cast<int>(p));
        }
        give_slot(node.out);
        continue;
      }
      emit(node, static_cast<int>(n));
    }
  }

  TileFunction function_of(const TileNode& node, unsigned ones) const {
    const TileKernels& table = kernels().tile;
    const int d = static_cast<int>(node.dtype);
    if (node.reduces_rows()) return node.inputs == 2 ? table.row_sum_product : table.row_reduce[node.reduction()][d];
    if (node.compare >= 0) return table.select[node.compare][ones];
    if (node.code == static_cast<int>(TileOp::cast)) {
      return ones == 0 ? table.cast[d][static_cast<int>(value(node.out).dtype)] : nullptr;
    }
    if (node.code == static_cast<int>(TileOp::copy) && ones != 0) return spread_function(node.dtype);
    return table.elementwise[node.code][d][ones];
  }

  TileFunction spread_function(Dtype dtype) const {
    const int size = item_size(dtype) == 1 ? 0 : item_size(dtype) == 2 ? 1 : item_size(dtype) == 4 ? 2 : 3;
    return kernels().tile.spread[size];
  }

  void emit(const TileNode& node, int n) {
    TileKernel kernel{};
    kernel.out = node.out;
    kernel.inputs = node.inputs;
    kernel.shape = node.reduces_rows() ? TileKind::full : value(node.out).kind;
    kernel.stage = stage_of(value(node.out).kind);
    kernel.reduces = node.reduces_rows();
    std::copy(std::begin(node.in), std::end(node.in), std::begin(kernel.in));
    kernel.ones = ones_of(kernel);
    const bool copies = node.code == static_cast<int>(TileOp::copy);
    for (int i = 0; i < kernel.inputs; ++i) {
      const bool one = (kernel.ones >> i & 1u) != 0;
      if (!copies && one && (function_of(node, 1u << i) == nullptr || spreads(kernel, i))) write_out(kernel, i);
      if (!one && expands(kernel, i)) kernel.in[i] = expanded(kernel.in[i]);
    }
    kernel.ones = ones_of(kernel);
    if (function_of(node, kernel.ones) == nullptr) {
      for (int i = 0; i < kernel.inputs; ++i) {
        if ((kernel.ones >> i & 1u) != 0) write_out(kernel, i);
      }
      kernel.ones = 0;
    }
    kernel.function = function_of(node, kernel.ones);
    if (kernel.shape == TileKind::full && !kernel.reduces && can_write_straight(node, n)) {
      straight(node.out);
    } else {
      // The result may take the slot of an operand that ends here: kernels read an element before they write it.
      const bool reuse = kernel.shape == TileKind::full && !kernel.reduces;
      for (int i = 0; reuse && i < node.inputs; ++i) {
        if (item_size(phase_.cells[at(node.in[i])].dtype) == item_size(value(node.out).dtype)) release(node.in[i], n);
      }
      give_slot(node.out);
    }
    phase_.kernels.push_back(kernel);
    for (int i = 0; i < node.inputs; ++i) release(node.in[i], n);
    for (int v : spreads_) release_spread(v);
    spreads_.clear();
  }

  unsigned ones_of(const TileKernel& kernel) const {
    unsigned ones = 0;
    for (int i = 0; i < kernel.inputs; ++i) {
      const TileKind kind = phase_.cells[at(kernel.in[i])].kind;
      const bool one = kind == TileKind::scalar ? kernel.shape != TileKind::scalar
                                                : kind == TileKind::row && kernel.shape == TileKind::full;
      ones |= one ? 1u << i : 0u;
    }
    return ones;
  }

  bool knows_columns() const { return !options_.blocks || options_.whole; }

  // Rows too short for a loop of their own.
  bool spreads(const TileKernel& kernel, int i) const {
    return kernel.shape == TileKind::full && phase_.cells[at(kernel.in[i])].kind == TileKind::row && rows_ > 1 &&
           cols_ <= spread_cols && knows_columns();
  }
  bool expands(const TileKernel& kernel, int i) const {
    return kernel.shape == TileKind::full && phase_.cells[at(kernel.in[i])].kind == TileKind::col && rows_ > 1 &&
           cols_ <= expanded_cols && knows_columns();
  }

  // Gives a kernel an operand with a value for each element in place of one with fewer.
  void write_out(TileKernel& kernel, int i) {
    const bool scalar = phase_.cells[at(kernel.in[i])].kind == TileKind::scalar;
    if (scalar && kernel.shape == TileKind::full) {
      kernel.in[i] = expanded(kernel.in[i]);
    } else {
      spread(kernel, i);
    }
  }

  void spread(TileKernel& kernel, int i) {
    const int from = kernel.in[i];
    const Dtype dtype = phase_.cells[at(from)].dtype;
    const int to = new_cell(kernel.shape, dtype);
    TileKernel copy{};
    copy.shape = kernel.shape;
    copy.stage = kernel.stage;
    copy.out = to;
    copy.in[0] = from;
    copy.inputs = 1;
    copy.ones = 1;
    const int size = item_size(dtype) == 1 ? 0 : item_size(dtype) == 2 ? 1 : item_size(dtype) == 4 ? 2 : 3;
    copy.function = kernels().tile.spread_padded[size];
    give_slot(to);
    phase_.kernels.push_back(copy);
    kernel.in[i] = to;
    spreads_.push_back(to);
  }
  void release_spread(int v) {
    const TileCell& cell = phase_.cells[at(v)];
    if (cell.kind == TileKind::full) free_.emplace_back(cell.offset, slot_size(v));
  }

  // The value of a column repeated for each row of the tile, or a single one for each element: made once a block of columns.
  int expanded(int v) {
    for (const auto& [from, to] : expanded_) {
      if (from == v) return to;
    }
    const int to = new_cell(TileKind::full, phase_.cells[at(v)].dtype);
    kept_.push_back(to);
    TileKernel copy{};
    copy.shape = TileKind::full;
    copy.stage = TileStage::block;
    copy.out = to;
    copy.in[0] = v;
    copy.inputs = 1;
    const Dtype dtype = phase_.cells[at(v)].dtype;
    const bool scalar = phase_.cells[at(v)].kind == TileKind::scalar;
    copy.ones = scalar ? 1 : 0;
    copy.function = scalar ? spread_function(dtype)
                           : kernels().tile.elementwise[static_cast<int>(TileOp::copy)][static_cast<int>(dtype)][0];
    TileCell& cell = phase_.cells[at(to)];
    cell.place = TilePlace::slot;
    cell.offset = phase_.slot_bytes;
    phase_.slot_bytes += slot_size(to);
    phase_.kernels.push_back(copy);
    expanded_.emplace_back(v, to);
    return to;
  }

  // Results go straight to a store whose rows are even and contiguous, unless that would overwrite operands that are
  // still to be read: known only when addresses are (hazards), or avoided when the compiler is told to be careful.
  bool can_write_straight(const TileNode& node, int n) {
    const int s = straight_store(node.out);
    if (s < 0) return false;
    std::vector<TileHazard> hazards;
    for (std::size_t v = 0; v < source_.values.size(); ++v) {
      if (phase_.cells[v].place != TilePlace::load || last_use_[v] <= n) continue;
      hazards.push_back({s, phase_.cells[v].index});
    }
    if (options_.careful && !hazards.empty()) return false;
    phase_.hazards.insert(phase_.hazards.end(), hazards.begin(), hazards.end());
    return true;
  }
  int straight_store(int v) const {
    const bool even = source_.rows.size() == 1 || rows_ == 1 || (shape_.aligned && !options_.blocks);
    for (const TileMove& m : phase_.scatters) {
      if (m.value == v && even && source_.stores[at(m.index)].view.col == 1) return m.index;
    }
    return -1;
  }
  void straight(int v) {
    TileCell& cell = phase_.cells[at(v)];
    cell.place = TilePlace::store;
    cell.index = straight_store(v);
    phase_.scatters.erase(std::find_if(phase_.scatters.begin(), phase_.scatters.end(),
                                       [&](const TileMove& m) { return m.index == cell.index; }));
  }

  void place_results() {
    for (TileKernel& kernel : phase_.kernels) {
      if (!kernel.reduces || options_.role != TileRole::tiles) continue;
      for (std::size_t p = 0; p < partials_.size(); ++p) {
        if (partials_[p].out == kernel.out) kernel.row_reduction = static_cast<int>(p);
      }
    }
  }

  void sort_by_stage() {
    std::vector<TileKernel>& kernels = phase_.kernels;
    std::stable_sort(kernels.begin(), kernels.end(),
                     [](const TileKernel& a, const TileKernel& b) { return a.stage < b.stage; });
    const auto count = [&](TileStage stage) {
      return static_cast<std::size_t>(
          std::count_if(kernels.begin(), kernels.end(), [=](const TileKernel& k) { return k.stage < stage; }));
    };
    phase_.first_of_block = count(TileStage::block);
    phase_.first_of_tile = count(TileStage::tile);
    for (std::size_t c = 0; c < phase_.cells.size(); ++c) {
      const TileCell& cell = phase_.cells[c];
      const bool in_place = cell.place == TilePlace::load || cell.place == TilePlace::store;
      if (in_place && stage_of(cell.kind) == TileStage::tile) phase_.moving.push_back(static_cast<int>(c));
    }
  }

  void collect_patches() {
    const auto moves = [&](int v) {
      const TilePlace place = phase_.cells[at(v)].place;
      return place == TilePlace::load || place == TilePlace::store;
    };
    for (std::size_t k = 0; k < phase_.kernels.size(); ++k) {
      const TileKernel& kernel = phase_.kernels[k];
      if (kernel.stage != TileStage::tile) continue;
      if (moves(kernel.out)) phase_.patches.push_back({static_cast<int>(k), -1, kernel.out});
      for (int i = 0; i < kernel.inputs; ++i) {
        if (moves(kernel.in[i])) phase_.patches.push_back({static_cast<int>(k), i, kernel.in[i]});
      }
    }
  }

  const TileSource& source_;
  const TileShape& shape_;
  const std::vector<TilePartial>& partials_;
  const TilePhaseOptions options_;
  std::int64_t rows_ = 1, cols_ = 1;
  TilePhase phase_;
  std::vector<bool> needed_;
  std::vector<int> last_use_;
  std::vector<int> gathered_, kept_, spreads_;
  std::vector<std::pair<int, int>> expanded_;
  std::vector<std::pair<std::size_t, std::size_t>> free_;  // slots to be used again: offset, size
};

}  // namespace

TilePhase compile_tile_phase(const TileSource& source, const TileShape& shape, const std::vector<TilePartial>& partials,
                             const TilePhaseOptions& options) {
  return PhaseCompiler(source, shape, partials, options).compile();
}

}  // namespace kerasish
