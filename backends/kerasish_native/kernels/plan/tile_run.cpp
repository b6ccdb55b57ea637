#include "tile_run.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include "../kernel_table.hpp"

namespace kerasish {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
std::size_t round_up(std::size_t n) { return (n + 63) / 64 * 64; }
int size_index(Dtype dtype) {
  const std::size_t size = item_size(dtype);
  return size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3;
}

double as_double(std::uint64_t bits) {
  double x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
std::uint64_t as_bits(double x) {
  std::uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

enum class Family { floating, signed_integer, unsigned_integer };
Family family(Dtype dtype) {
  switch (dtype) {
    case Dtype::float16: case Dtype::bfloat16: case Dtype::float32: case Dtype::float64: return Family::floating;
    case Dtype::int8: case Dtype::int16: case Dtype::int32: case Dtype::int64: return Family::signed_integer;
    default: return Family::unsigned_integer;
  }
}

// One element as an accumulator.
std::uint64_t take(Dtype dtype, const char* p) {
  const auto read = [p](auto x) {
    std::memcpy(&x, p, sizeof x);
    return x;
  };
  switch (dtype) {
    case Dtype::float32: return as_bits(read(float{}));
    case Dtype::int8: return static_cast<std::uint64_t>(std::int64_t{read(std::int8_t{})});
    case Dtype::int16: return static_cast<std::uint64_t>(std::int64_t{read(std::int16_t{})});
    case Dtype::int32: return static_cast<std::uint64_t>(std::int64_t{read(std::int32_t{})});
    case Dtype::boolean: case Dtype::uint8: return read(std::uint8_t{});
    case Dtype::uint16: return read(std::uint16_t{});
    case Dtype::uint32: return read(std::uint32_t{});
    default: return read(std::uint64_t{});
  }
}

template <class T>
T larger(T a, T b) { return a > b ? a : b; }
template <class T>
T smaller(T a, T b) { return a < b ? a : b; }

}  // namespace

std::uint64_t tile_identity(int reduction, Dtype dtype) {
  const Family kind = family(dtype);
  const double infinity = std::numeric_limits<double>::infinity();
  switch (static_cast<TileReduction>(reduction)) {
    case TileReduction::prod: return kind == Family::floating ? as_bits(1.0) : 1;
    case TileReduction::max: case TileReduction::argmax:
      return kind == Family::floating ? as_bits(-infinity) : kind == Family::signed_integer ? std::uint64_t{1} << 63 : 0;
    case TileReduction::min: case TileReduction::argmin:
      if (dtype == Dtype::boolean) return 1;
      return kind == Family::floating ? as_bits(infinity) : ~std::uint64_t{0} >> (kind == Family::signed_integer ? 1 : 0);
    default: return 0;
  }
}

std::uint64_t tile_combine(int reduction, Dtype dtype, std::uint64_t a, std::uint64_t b) {
  const Family kind = family(dtype);
  const double x = as_double(a), y = as_double(b);
  const std::int64_t i = static_cast<std::int64_t>(a), j = static_cast<std::int64_t>(b);
  switch (static_cast<TileReduction>(reduction)) {
    case TileReduction::sum: return kind == Family::floating ? as_bits(x + y) : a + b;
    case TileReduction::prod: return kind == Family::floating ? as_bits(x * y) : a * b;
    case TileReduction::max:
      if (kind == Family::floating) return as_bits(x != x || y != y ? x + y : larger(x, y));
      return kind == Family::signed_integer ? static_cast<std::uint64_t>(larger(i, j)) : larger(a, b);
    default:
      if (kind == Family::floating) return as_bits(x != x || y != y ? x + y : smaller(x, y));
      return kind == Family::signed_integer ? static_cast<std::uint64_t>(smaller(i, j)) : smaller(a, b);
  }
}

bool tile_displaces(int reduction, Dtype dtype, std::uint64_t a, std::uint64_t b) {
  const bool largest = reduction == static_cast<int>(TileReduction::argmax);
  const double x = as_double(a), y = as_double(b);
  const std::int64_t i = static_cast<std::int64_t>(a), j = static_cast<std::int64_t>(b);
  switch (family(dtype)) {
    case Family::floating: return x == x && (y != y || (largest ? y > x : y < x));
    case Family::signed_integer: return largest ? j > i : j < i;
    default: return largest ? b > a : b < a;
  }
}

void tile_put(Dtype dtype, std::uint64_t accumulator, char* out) {
  const double x = as_double(accumulator);
  const float narrow = static_cast<float>(x);
  switch (dtype) {
    case Dtype::float64: std::memcpy(out, &x, sizeof x); break;
    case Dtype::float32: std::memcpy(out, &narrow, sizeof narrow); break;
    case Dtype::float16: case Dtype::bfloat16: {
      TileCall call{1, 1, out, 1, {&narrow}, {1}};
      kernels().tile.cast[static_cast<int>(Dtype::float32)][static_cast<int>(dtype)](call);
      break;
    }
    default: {  // the low bytes, of little-endian machines
      const TileCall call{1, 1, out, 1, {&accumulator}, {1}};
      kernels().tile.cast[static_cast<int>(Dtype::uint64)][static_cast<int>(dtype == Dtype::boolean ? Dtype::uint8 : dtype)](call);
    }
  }
}

std::size_t tile_run_bytes(const TilePhase& phase) {
  return round_up(phase.cells.size() * sizeof(char*)) + round_up(phase.kernels.size() * sizeof(TileCall)) +
         phase.slot_bytes + 64;
}

TileRun::TileRun(const TileSource& source, const TilePhase& phase, const std::vector<TilePartial>& partials, Slots slots,
                 Scratch use)
    : source_(source), phase_(phase), partials_(partials), slots_(slots) {
  char* memory = static_cast<char*>(scratch(use, tile_run_bytes(phase)));
  data_ = reinterpret_cast<char**>(memory);
  memory += round_up(phase.cells.size() * sizeof(char*));
  calls_ = reinterpret_cast<TileCall*>(memory);
  memory += round_up(phase.kernels.size() * sizeof(TileCall));
  for (std::size_t c = 0; c < phase.cells.size(); ++c) {
    const TileCell& cell = phase.cells[c];
    data_[c] = cell.place == TilePlace::slot ? memory + cell.offset : nullptr;
    if (cell.place == TilePlace::load && cell.kind == TileKind::scalar) {
      data_[c] = address_of(source_.loads[at(cell.index)].view, 0);
    }
  }
  for (int value : phase.constants) {
    const std::uint64_t bits = source_.constants[at(source_.values[at(value)].index)].bits;
    std::memcpy(data_[value], &bits, item_size(phase.cells[at(value)].dtype));
  }
  for (const TileMove& move : phase.gathers) {
    if (move.stage == TileStage::once) gather(move, 0, 1);
  }
  cols_ = 1;
  prepare(0, phase_.first_of_block, 1);
}

char* TileRun::address_of(const TileView& view, std::int64_t row0) const {
  std::int64_t offset = view.offset + col0_ * view.col, rest = row0;
  for (std::size_t axis = source_.rows.size() - 1; axis > 0; --axis) {
    offset += rest % source_.rows[axis] * view.rows[axis];
    rest /= source_.rows[axis];
  }
  offset += rest * view.rows[0];
  return slots_[view.slot] + offset * static_cast<std::int64_t>(item_size(view.dtype));
}

std::int64_t TileRun::pitch_of(int value) const {
  const TileCell& cell = phase_.cells[at(value)];
  switch (cell.place) {
    case TilePlace::load: return source_.loads[at(cell.index)].view.rows.back();
    case TilePlace::store: return source_.stores[at(cell.index)].view.rows.back();
    default: return cols_;
  }
}

// Fills in a kernel's call for tiles of `rows` rows; the pointers that move with the tile are set by point().
void TileRun::bind(const TileKernel& kernel, TileCall& call, std::int64_t rows) const {
  const bool by_rows = kernel.shape == TileKind::full;
  call.rows = by_rows ? rows : 1;
  call.cols = kernel.shape == TileKind::row ? rows : kernel.shape == TileKind::scalar ? 1 : cols_;
  call.out = data_[kernel.out];
  call.out_pitch = by_rows && !kernel.reduces ? pitch_of(kernel.out) : 0;
  bool even = by_rows && !kernel.reduces && call.out_pitch == cols_;
  for (int i = 0; i < kernel.inputs; ++i) {
    const TileKind kind = phase_.cells[at(kernel.in[i])].kind;
    const bool one = (kernel.ones >> i & 1u) != 0;
    call.in[i] = data_[kernel.in[i]];
    call.pitch[i] = kind == TileKind::full ? pitch_of(kernel.in[i]) : one && kind == TileKind::row ? 1 : 0;
    even = even && (one ? call.pitch[i] == 0 : call.pitch[i] == cols_);
  }
  if (even) {  // one long row
    call.cols *= call.rows;
    call.rows = 1;
  }
}

// Binds and runs kernels that do not belong to a tile.
void TileRun::prepare(std::size_t begin, std::size_t end, std::int64_t rows) {
  for (std::size_t k = begin; k < end; ++k) {
    bind(phase_.kernels[k], calls_[k], rows);
    phase_.kernels[k].function(calls_[k]);
  }
}

void TileRun::block(std::int64_t col0, std::int64_t cols) {
  col0_ = col0;
  cols_ = cols;
  bound_rows_ = -1;
  for (std::size_t c = 0; c < phase_.cells.size(); ++c) {
    const TileCell& cell = phase_.cells[c];
    if (cell.place == TilePlace::load && cell.kind == TileKind::col) {
      data_[c] = address_of(source_.loads[at(cell.index)].view, 0);
    }
  }
  for (const TileMove& move : phase_.gathers) {
    if (move.stage == TileStage::block) gather(move, 0, 1);
  }
  // Columns repeated for each row of a tile: as many rows as a tile has.
  prepare(phase_.first_of_block, phase_.first_of_tile, cols > 0 ? phase_.capacity / cols : 0);
}

// Moves the pointers of loads and stores that are used where they lie.
void TileRun::point(std::int64_t row0) {
  for (int c : phase_.moving) {
    const TileCell& cell = phase_.cells[at(c)];
    const TileView& view = cell.place == TilePlace::load ? source_.loads[at(cell.index)].view
                                                         : source_.stores[at(cell.index)].view;
    data_[c] = address_of(view, row0);
  }
}

void TileRun::tile(std::int64_t row0, std::int64_t rows, std::uint64_t* const* accumulators,
                   const TilePartialTarget* targets) {
  const std::size_t first = phase_.first_of_tile, end = phase_.kernels.size();
  point(row0);
  if (rows != bound_rows_) {
    bound_rows_ = rows;
    for (std::size_t k = first; k < end; ++k) bind(phase_.kernels[k], calls_[k], rows);
  } else {
    for (const TilePatch& patch : phase_.patches) {
      TileCall& call = calls_[patch.kernel];
      (patch.operand < 0 ? call.out : const_cast<void*&>(call.in[patch.operand])) = data_[patch.value];
    }
  }
  for (const TileMove& move : phase_.gathers) {
    if (move.stage == TileStage::tile) gather(move, row0, rows);
  }
  const TileKernel* kernels = phase_.kernels.data();
  for (std::size_t k = first; k < end; ++k) kernels[k].function(calls_[k]);
  if (!partials_.empty() && targets != nullptr) leave_partials(rows, targets);
  for (std::size_t i = 0; i < phase_.reductions.size(); ++i) reduce(phase_.reductions[i], rows, accumulators[i]);
  for (const TileMove& move : phase_.scatters) {
    if (move.stage == TileStage::tile) scatter(move, row0, rows);
  }
}

void TileRun::gather(const TileMove& move, std::int64_t row0, std::int64_t rows) {
  const TileView& view = source_.loads[at(move.index)].view;
  const std::int64_t item = static_cast<std::int64_t>(item_size(view.dtype));
  const TileKind kind = phase_.cells[at(move.value)].kind;
  const bool by_col = kind == TileKind::full || kind == TileKind::col;
  const auto function = kernels().tile.gather[size_index(view.dtype)];
  const std::int64_t cols = by_col ? cols_ : 1;
  const std::int64_t start = view.offset + (by_col ? col0_ * view.col : 0);
  const char* base = slots_[view.slot] + start * item;
  for_row_runs(source_, view, row0, rows, [&](std::int64_t row, std::int64_t offset, std::int64_t count) {
    char* out = data_[move.value] + row * cols * item;
    if (kind == TileKind::row) {
      function(out, base + offset * item, 1, count, 0, view.rows.back());
    } else {
      function(out, base + offset * item, count, cols, view.rows.back(), view.col);
    }
  });
}

void TileRun::scatter(const TileMove& move, std::int64_t row0, std::int64_t rows) {
  const TileView& view = source_.stores[at(move.index)].view;
  const std::int64_t item = static_cast<std::int64_t>(item_size(view.dtype));
  const auto function = kernels().tile.scatter[size_index(view.dtype)];
  const bool is_row = phase_.cells[at(move.value)].kind == TileKind::row;
  const std::int64_t pitch = pitch_of(move.value);
  char* base = slots_[view.slot] + (view.offset + (is_row ? 0 : col0_ * view.col)) * item;
  for_row_runs(source_, view, row0, rows, [&](std::int64_t row, std::int64_t offset, std::int64_t count) {
    if (is_row) {
      function(base + offset * item, data_[move.value] + row * item, 1, count, 0, view.rows.back(), 0);
    } else {
      function(base + offset * item, data_[move.value] + row * pitch * item, count, cols_, view.rows.back(), view.col,
               pitch);
    }
  });
}

void TileRun::reduce(const TileMove& move, std::int64_t rows, std::uint64_t* accumulator) const {
  const TileCell& cell = phase_.cells[at(move.value)];
  const int reduction = source_.stores[at(move.index)].reduction;
  const int dtype = static_cast<int>(cell.dtype);
  TileCall call{rows, cols_, accumulator, 0, {data_[move.value]}, {pitch_of(move.value)}};
  const int factor = source_.stores[at(move.index)].factor;
  if (factor >= 0) {
    call.in[1] = data_[factor];
    call.pitch[1] = pitch_of(factor);
    kernels().tile.accumulate_product(call);
    return;
  }
  std::uint64_t total;
  if (cell.kind == TileKind::row) {
    call.rows = 1;
    call.cols = rows;
    call.out = &total;
    kernels().tile.row_reduce[reduction][dtype](call);
    call.cols = 1;
    call.in[0] = &total;
    call.out = accumulator;
  }
  kernels().tile.accumulate[reduction][dtype](call);
}

void TileRun::leave_partials(std::int64_t rows, const TilePartialTarget* targets) const {
  for (const TileKernel& kernel : phase_.kernels) {
    if (kernel.row_reduction < 0) continue;
    const TilePartial& partial = partials_[at(kernel.row_reduction)];
    const TilePartialTarget& target = targets[kernel.row_reduction];
    if (target.positions == nullptr) {
      const TileCall call{1, rows, target.values, 0, {data_[partial.out]}, {0}};
      kernels().tile.accumulate[partial.reduction][static_cast<int>(partial.dtype)](call);
      continue;
    }
    const std::int64_t item = static_cast<std::int64_t>(item_size(partial.dtype));
    for (std::int64_t i = 0; i < rows; ++i) {
      std::int32_t position;
      std::memcpy(&position, data_[partial.out] + i * 4, sizeof position);
      const std::uint64_t value = take(partial.dtype, data_[partial.in] + (i * pitch_of(partial.in) + position) * item);
      if (target.positions[i] < 0 || tile_displaces(partial.reduction, partial.dtype, target.values[i], value)) {
        target.values[i] = value;
        target.positions[i] = col0_ + position;
      }
    }
  }
}

}  // namespace kerasish
