// Checks a tile program and brings it to the form the compiler of tile programs works on.
#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "../kernel_table.hpp"
#include "tile_program.hpp"

namespace kerasish {
namespace {

[[noreturn]] void refuse(const std::string& problem) { throw std::invalid_argument("tile_step: " + problem); }

constexpr const char* op_names[] = {
#define KERASISH_NAME(name, operands) #name,
    KERASISH_TILE_OPS(KERASISH_NAME)
#undef KERASISH_NAME
};
constexpr int op_operands[] = {
#define KERASISH_COUNT(name, operands) operands,
    KERASISH_TILE_OPS(KERASISH_COUNT)
#undef KERASISH_COUNT
};

bool is_half(Dtype dtype) { return dtype == Dtype::float16 || dtype == Dtype::bfloat16; }

// The kind of a result of operands of two kinds.
TileKind join(TileKind a, TileKind b) {
  if (a == b || b == TileKind::scalar) return a;
  if (a == TileKind::scalar) return b;
  return TileKind::full;  // rows meet columns, or one is full
}

bool is_wider(TileKind a, TileKind b) { return a != b && join(a, b) == a; }

bool is_test(TileOp op) {
  switch (op) {
    case TileOp::isfinite: case TileOp::isnan: case TileOp::isinf: case TileOp::equal: case TileOp::not_equal:
    case TileOp::less: case TileOp::less_equal: case TileOp::greater: case TileOp::greater_equal:
      return true;
    default:
      return false;
  }
}

class Lowering {
 public:
  Lowering(std::vector<std::int64_t> rows, std::int64_t cols, const std::vector<TileRegister>& registers)
      : rows_(std::move(rows)), registers_(registers), defined_(registers.size(), -1) {
    source_.cols = cols;
    for (std::int64_t n : rows_) {
      if (n < 0) refuse("an axis has a negative size");
      source_.row_count *= n;
    }
    if (cols < 0) refuse("the number of columns is negative");
    halves_.resize(registers_.size());
    for (std::size_t r = 0; r < registers_.size(); ++r) {
      halves_[r] = registers_[r].dtype;
      registers_[r].dtype = held(registers_[r].dtype);
    }
  }

  void load(const TileLoadRequest& request) {
    check(request.view);
    const TileRegister& reg = define(request.reg);
    if (join(kind_of(request.view), reg.kind) != reg.kind) refuse("a load varies along an axis its register does not have");
    const int index = static_cast<int>(source_.loads.size());
    const int raw = add({kind(reg.kind), request.view.dtype, TileOrigin::load, index});
    source_.loads.push_back({raw, lower(request.view)});
    defined_[at(request.reg)] = request.view.dtype == reg.dtype ? raw : cast(raw, reg.dtype);
  }

  void constant(const TileConstant& request) {
    const TileRegister& reg = define(request.reg);
    if (reg.kind != TileKind::scalar) refuse("constants are of kind scalar");
    source_.constants.push_back(request);
    defined_[at(request.reg)] = add({TileKind::scalar, reg.dtype, TileOrigin::constant,
                                     static_cast<int>(source_.constants.size()) - 1});
  }

  void op(const TileOpRequest& request) {
    const bool reduces = request.code >= tile_row_code;
    constexpr int named = static_cast<int>(sizeof op_names / sizeof op_names[0]);
    if (request.code < 0 || request.code >= tile_row_code + tile_reductions || (request.code >= named && !reduces)) {
      refuse("unknown operation");
    }
    TileNode node;
    node.code = request.code;
    node.dtype = held(request.dtype);
    node.inputs = reduces ? 1 : op_operands[request.code];
    TileKind wanted = TileKind::scalar;
    for (int i = 0; i < node.inputs; ++i) {
      node.in[i] = used(request.in[i]);
      wanted = join(wanted, source_.values[at(node.in[i])].kind);
    }
    const TileRegister& reg = define(request.out);
    check_types(node, reg.dtype);
    const bool copies = request.code == static_cast<int>(TileOp::copy);
    if (reduces) {
      if (wanted != TileKind::full) node.in[0] = widen(node.in[0], TileKind::full);
      wanted = TileKind::row;
    }
    if (request.code == static_cast<int>(TileOp::cast) && is_half(halves_[at(request.out)])) {
      defined_[at(request.out)] = cast(cast(node.in[0], halves_[at(request.out)]), Dtype::float32);
      return;
    }
    const TileKind given = kind(reg.kind);
    if (given != wanted && !(copies && is_wider(given, wanted))) {
      refuse(name(request.code) + ": the result's register is not of the kind its operands give");
    }
    defined_[at(request.out)] = push(node, given, reg.dtype);
  }

  void store(const TileStoreRequest& request) {
    check(request.view);
    int value = used(request.reg);
    const TileKind target = kind_of(request.view);
    TileKind have = source_.values[at(value)].kind;
    if (request.reduction != tile_no_reduction) {
      if (have == TileKind::col) value = widen(value, TileKind::full);
      if (have == TileKind::scalar) value = widen(value, TileKind::row);
      have = source_.values[at(value)].kind;
      const Dtype dtype = source_.values[at(value)].dtype;
      const bool valid = request.reduction >= 0 && request.reduction <= static_cast<int>(TileReduction::min);
      if (!valid || kernels().tile.accumulate[request.reduction][static_cast<int>(dtype)] == nullptr) {
        refuse("this reduction over rows does not exist for the register's dtype");
      }
      if (held(request.view.dtype) != dtype) refuse("a reduction over rows is stored in its register's dtype");
      if (varies_by_row(request.view)) refuse("a reduction over rows needs a view with row strides 0");
      if (have == TileKind::row && target != TileKind::scalar) refuse("rows reduce to a scalar");
    } else {
      const TileKind reach = kind(target);
      if (join(have, reach) != reach) {
        // Axes of size 1 have any stride.
        const bool fits = source_.row_count == 0 || source_.cols == 0 ||
                          ((reach == TileKind::full || !has_cols(have) || source_.cols <= 1 || varies_by_col(request.view)) &&
                           (reach == TileKind::full || !has_rows(have) || source_.row_count <= 1 || varies_by_row(request.view)));
        if (!fits) refuse("a store's register varies along an axis its view does not have");
      } else if (have != reach) {
        value = widen(value, reach);
      }
    }
    if (request.reduction == tile_no_reduction && source_.values[at(value)].dtype != request.view.dtype) {
      value = cast(value, request.view.dtype);
    }
    source_.stores.push_back({value, lower(request.view), request.reduction});
  }

  TileSource finish() {
    merge_axes();
    join_tile_operations(source_);
    return std::move(source_);
  }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  // The dtype of a register's memory.
  static Dtype held(Dtype dtype) { return is_half(dtype) ? Dtype::float32 : dtype; }
  static bool has_cols(TileKind k) { return k == TileKind::full || k == TileKind::col; }
  static bool has_rows(TileKind k) { return k == TileKind::full || k == TileKind::row; }

  static std::string name(int code) {
    return code < tile_row_code ? op_names[code] : "row reduction " + std::to_string(code - tile_row_code);
  }

  // With one row a value for each column is a value for each element.
  TileKind kind(TileKind k) const { return source_.row_count == 1 && k == TileKind::col ? TileKind::full : k; }

  bool varies_by_row(const View& view) const {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i] > 1 && view.strides[i] != 0) return true;
    }
    return false;
  }
  bool varies_by_col(const View& view) const { return source_.cols > 1 && view.strides.back() != 0; }

  TileKind kind_of(const View& view) const {
    const bool by_row = varies_by_row(view), by_col = varies_by_col(view);
    if (by_row) return by_col ? TileKind::full : TileKind::row;
    return by_col ? TileKind::col : TileKind::scalar;
  }

  const TileRegister& define(int reg) {
    if (reg < 0 || at(reg) >= registers_.size()) refuse("no such register");
    if (defined_[at(reg)] >= 0) refuse("a register is defined twice");
    return registers_[at(reg)];
  }
  int used(int reg) {
    if (reg < 0 || at(reg) >= registers_.size() || defined_[at(reg)] < 0) refuse("a register is used before it is defined");
    return defined_[at(reg)];
  }

  void check(const View& view) const {
    bool same = view.shape.size() == rows_.size() + 1 && view.shape.back() == source_.cols;
    for (std::size_t i = 0; same && i < rows_.size(); ++i) same = view.shape[i] == rows_[i];
    if (!same) refuse("a view has another shape than [*rows, cols]");
    if (view.slot < 0) refuse("a view has no slot");
  }

  TileView lower(const View& view) const {
    TileView result{view.slot, view.dtype, view.offset, {}, source_.cols == 1 ? 1 : view.strides.back()};
    result.rows.assign(view.strides.begin(), view.strides.end() - 1);
    return result;
  }

  int add(const TileValue& value) {
    source_.values.push_back(value);
    return static_cast<int>(source_.values.size()) - 1;
  }
  int push(TileNode node, TileKind kind, Dtype dtype) {
    node.out = add({kind, dtype, TileOrigin::node, static_cast<int>(source_.nodes.size())});
    source_.nodes.push_back(node);
    return node.out;
  }
  int unary(TileOp op, int value, TileKind kind, Dtype dtype) {
    TileNode node;
    node.code = static_cast<int>(op);
    node.dtype = source_.values[at(value)].dtype;
    node.in[0] = value;
    node.inputs = 1;
    return push(node, kind, dtype);
  }
  int cast(int value, Dtype dtype) {
    const TileValue from = source_.values[at(value)];
    if (kernels().tile.cast[static_cast<int>(from.dtype)][static_cast<int>(dtype)] == nullptr) {
      return cast(cast(value, Dtype::float32), dtype);  // between 16-bit floats and integers
    }
    return unary(TileOp::cast, value, from.kind, dtype);
  }
  int widen(int value, TileKind kind) { return unary(TileOp::copy, value, kind, source_.values[at(value)].dtype); }

  void check_types(const TileNode& node, Dtype result) const {
    const auto type = [&](int i) { return source_.values[at(node.in[i])].dtype; };
    const auto fail = [&] { refuse(name(node.code) + ": the dtypes of its registers do not fit"); };
    const TileKernels& table = kernels().tile;
    const int d = static_cast<int>(node.dtype);
    if (d < 0 || d >= tile_dtypes) refuse("unknown dtype");
    if (node.reduces_rows()) {
      const TileReduction r = static_cast<TileReduction>(node.reduction());
      const bool position = r == TileReduction::argmax || r == TileReduction::argmin;
      if (type(0) != node.dtype || result != (position ? Dtype::int32 : node.dtype)) fail();
      if (table.row_reduce[node.reduction()][d] == nullptr) fail();
      return;
    }
    const TileOp op = static_cast<TileOp>(node.code);
    const int first = op == TileOp::where ? 1 : 0;
    if (first == 1 && type(0) != Dtype::boolean) fail();
    for (int i = first; i < node.inputs; ++i) {
      if (type(i) != node.dtype) fail();
    }
    if (op == TileOp::cast) {
      if (table.cast[d][static_cast<int>(result)] == nullptr) fail();
    } else if (op == TileOp::bitcast) {
      if (item_size(result) != item_size(node.dtype)) fail();
    } else {
      if (result != (is_test(op) ? Dtype::boolean : node.dtype)) fail();
      if (table.elementwise[node.code][d][0] == nullptr) refuse(name(node.code) + ": no kernel for this dtype");
    }
  }

  // Row axes of size 1 go; neighbours become one axis where every view steps through them evenly.
  void merge_axes() {
    std::vector<TileView*> views;
    for (TileLoad& l : source_.loads) views.push_back(&l.view);
    for (TileStore& s : source_.stores) views.push_back(&s.view);
    std::vector<std::int64_t> sizes;
    std::vector<std::vector<std::int64_t>> strides(views.size());
    for (std::size_t axis = 0; axis < rows_.size(); ++axis) {
      if (rows_[axis] == 1) continue;
      bool merges = !sizes.empty();
      for (std::size_t v = 0; merges && v < views.size(); ++v) {
        merges = strides[v].back() == views[v]->rows[axis] * rows_[axis];
      }
      if (merges) {
        sizes.back() *= rows_[axis];
      } else {
        sizes.push_back(rows_[axis]);
      }
      for (std::size_t v = 0; v < views.size(); ++v) {
        if (merges) {
          strides[v].back() = views[v]->rows[axis];
        } else {
          strides[v].push_back(views[v]->rows[axis]);
        }
      }
    }
    if (sizes.empty()) {
      sizes.push_back(1);
      for (auto& s : strides) s.push_back(0);
    }
    source_.rows = std::move(sizes);
    for (std::size_t v = 0; v < views.size(); ++v) views[v]->rows = std::move(strides[v]);
  }

  std::vector<std::int64_t> rows_;
  std::vector<TileRegister> registers_;
  std::vector<Dtype> halves_;  // dtypes of the registers as they were asked for
  std::vector<int> defined_;
  TileSource source_;
};

}  // namespace

std::uint64_t tile_half_constant(double number, Dtype dtype) {
  const auto& cast = kernels().tile.cast;
  const int half = static_cast<int>(dtype);
  std::uint16_t rounded = 0;
  float value = 0.0f;
  cast[static_cast<int>(Dtype::float64)][half]({1, 1, &rounded, 1, {&number}, {1}});
  cast[half][static_cast<int>(Dtype::float32)]({1, 1, &value, 1, {&rounded}, {1}});
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

TileSource lower_tile_program(std::vector<std::int64_t> rows, std::int64_t cols,
                              const std::vector<TileRegister>& registers, const std::vector<TileLoadRequest>& loads,
                              const std::vector<TileOpRequest>& ops, const std::vector<TileConstant>& constants,
                              const std::vector<TileStoreRequest>& stores) {
  Lowering lowering(std::move(rows), cols, registers);
  for (const TileLoadRequest& l : loads) lowering.load(l);
  for (const TileConstant& c : constants) lowering.constant(c);
  for (const TileOpRequest& o : ops) lowering.op(o);
  for (const TileStoreRequest& s : stores) lowering.store(s);
  return lowering.finish();
}

}  // namespace kerasish
