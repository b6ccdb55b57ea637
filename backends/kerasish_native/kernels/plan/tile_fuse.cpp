// Joins pairs of operations of a tile program where one kernel does both: a load, a store and a call less, and the same
// roundings, so the same results.
#include <cstddef>
#include <initializer_list>
#include <utility>

#include "tile_program.hpp"

namespace kerasish {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

constexpr int code(TileOp op) { return static_cast<int>(op); }
constexpr int none = -1;

// The kernel for `outer` whose operand number `side` is `inner`, or none. Operands become those of `inner`, then the other.
int joined_code(int inner, int outer, int side) {
  const bool product = inner == code(TileOp::multiply), sum = inner == code(TileOp::add);
  const bool difference = inner == code(TileOp::subtract);
  if (!product && !sum && !difference) return none;
  if (outer == code(TileOp::add)) {
    return code(product ? TileOp::multiply_add : sum ? TileOp::add_add : TileOp::subtract_add);
  }
  if (outer == code(TileOp::multiply)) {
    return code(product ? TileOp::multiply_multiply : sum ? TileOp::add_multiply : TileOp::minus_multiply);
  }
  if (outer == code(TileOp::subtract)) {
    if (side == 1) return product ? code(TileOp::subtract_multiply) : none;
    return product ? code(TileOp::multiply_subtract) : sum ? code(TileOp::add_subtract) : none;
  }
  return none;
}

bool is_comparison(int c) { return c >= code(TileOp::equal) && c <= code(TileOp::greater_equal); }

// The comparison with exchanged operands: equal, not_equal, less, less_equal, greater, greater_equal.
int mirrored(int compare) {
  constexpr int other[] = {0, 1, 4, 5, 2, 3};
  return other[compare];
}

class Joiner {
 public:
  explicit Joiner(TileSource& source) : source_(source), uses_(source.values.size(), 0), gone_(source.nodes.size(), false) {
    for (const TileNode& n : source_.nodes) {
      for (int i = 0; i < n.inputs; ++i) ++uses_[at(n.in[i])];
    }
    for (const TileStore& s : source_.stores) ++uses_[at(s.value)];
  }

  void run() {
    for (std::size_t n = 0; n < source_.nodes.size(); ++n) {
      TileNode& node = source_.nodes[n];
      if (source_.values[at(node.out)].kind != TileKind::full) continue;
      join_choice(node);
      if (node.dtype == Dtype::float32 || node.dtype == Dtype::float64) {
        join_pair(node);
        join_average(node);
        join_step(node);
      }
    }
    for (TileNode& node : source_.nodes) join_row_sum(node);
    for (TileStore& store : source_.stores) join_sum(store);
    remove_joined();
  }

 private:
  // The node that makes operand i and is used by nothing else, or null.
  TileNode* only_for(const TileNode& node, int i) {
    const TileValue& value = source_.values[at(node.in[i])];
    if (value.origin != TileOrigin::node || value.kind != TileKind::full || uses_[at(node.in[i])] != 1) return nullptr;
    return &source_.nodes[at(value.index)];
  }

  void drop(const TileNode& node) { gone_[at(source_.values[at(node.out)].index)] = true; }

  static void become(TileNode& node, TileOp op, std::initializer_list<int> operands) {
    node.code = code(op);
    node.inputs = 0;
    for (int v : operands) node.in[node.inputs++] = v;
  }

  void join_pair(TileNode& node) {
    if (node.inputs != 2) return;
    for (int side = 0; side < 2; ++side) {
      TileNode* inner = only_for(node, side);
      if (inner == nullptr || inner->compare != none) continue;
      const bool squares = inner->code == code(TileOp::square);
      const int joined = joined_code(squares ? code(TileOp::multiply) : inner->code, node.code, side);
      if (joined == none) continue;
      drop(*inner);
      become(node, static_cast<TileOp>(joined), {inner->in[0], inner->in[squares ? 0 : 1], node.in[1 - side]});
      return;
    }
  }

  // Moving averages: m + (g - m) s and v + (g g - v) s.
  void join_average(TileNode& node) {
    for (int side = 0; side < 2; ++side) {
      TileNode* inner = node.code == code(TileOp::add) || node.code == code(TileOp::multiply_add) ? only_for(node, side) : nullptr;
      if (inner == nullptr) continue;
      if (node.code == code(TileOp::add) && inner->code == code(TileOp::minus_multiply) && inner->in[1] == node.in[1 - side]) {
        drop(*inner);
        return become(node, TileOp::toward, {inner->in[1], inner->in[0], inner->in[2]});
      }
      if (node.code == code(TileOp::multiply_add) && inner->code == code(TileOp::multiply_subtract) &&
          inner->in[0] == inner->in[1] && inner->in[2] == node.in[2]) {
        drop(*inner);
        return become(node, TileOp::toward_square, {inner->in[2], inner->in[0], node.in[1 - side]});
      }
    }
  }

  // The steps of optimizers: p - m r / d, and d = sqrt(v) + e or sqrt(v + e).
  void join_step(TileNode& node) {
    if (node.code == code(TileOp::add)) {
      for (int side = 0; side < 2; ++side) {
        TileNode* inner = only_for(node, side);
        if (inner == nullptr || inner->code != code(TileOp::sqrt)) continue;
        drop(*inner);
        return become(node, TileOp::sqrt_add, {inner->in[0], node.in[1 - side]});
      }
    } else if (node.code == code(TileOp::sqrt)) {
      TileNode* inner = only_for(node, 0);
      if (inner == nullptr || inner->code != code(TileOp::add)) return;
      drop(*inner);
      become(node, TileOp::add_sqrt, {inner->in[0], inner->in[1]});
    } else if (node.code == code(TileOp::subtract)) {
      TileNode* quotient = only_for(node, 1);
      if (quotient == nullptr || quotient->code != code(TileOp::divide)) return;
      TileNode* product = only_for(*quotient, 0);
      if (product == nullptr || product->code != code(TileOp::multiply)) return;
      drop(*quotient);
      drop(*product);
      const bool scaled_last = source_.values[at(product->in[0])].kind == TileKind::full;
      const int m = product->in[scaled_last ? 0 : 1], r = product->in[scaled_last ? 1 : 0];
      become(node, TileOp::subtract_quotient, {node.in[0], m, r, quotient->in[1]});
    }
  }

  // The node of a product of two full float32 values, if `value` is one and is used once.
  TileNode* product_of(int v) {
    const TileValue& value = source_.values[at(v)];
    if (value.origin != TileOrigin::node || value.dtype != Dtype::float32 || uses_[at(v)] != 1) return nullptr;
    TileNode& node = source_.nodes[at(value.index)];
    if (node.code == code(TileOp::square)) return value.kind == TileKind::full ? &node : nullptr;
    if (node.code != code(TileOp::multiply)) return nullptr;
    const bool full = source_.values[at(node.in[0])].kind == TileKind::full && source_.values[at(node.in[1])].kind == TileKind::full;
    return full ? &node : nullptr;
  }

  void join_row_sum(TileNode& node) {
    if (!node.reduces_rows() || node.reduction() != static_cast<int>(TileReduction::sum)) return;
    TileNode* product = product_of(node.in[0]);
    if (product == nullptr) return;
    drop(*product);
    node.in[0] = product->in[0];
    node.in[1] = product->in[product->inputs - 1];
    node.inputs = 2;
  }

  void join_sum(TileStore& store) {
    if (store.reduction != static_cast<int>(TileReduction::sum)) return;
    TileNode* product = product_of(store.value);
    if (product == nullptr) return;
    drop(*product);
    store.value = product->in[0];
    store.factor = product->in[product->inputs - 1];
  }

  void join_choice(TileNode& node) {
    if (node.code != code(TileOp::where) || node.dtype != Dtype::float32) return;
    TileNode* inner = only_for(node, 0);
    if (inner == nullptr || !is_comparison(inner->code) || inner->dtype != Dtype::float32) return;
    int a = inner->in[0], b = inner->in[1], compare = inner->code - code(TileOp::equal);
    if (source_.values[at(a)].kind != TileKind::full) {
      std::swap(a, b);
      compare = mirrored(compare);
    }
    node.compare = compare;
    node.in[3] = node.in[2];
    node.in[2] = node.in[1];
    node.in[0] = a;
    node.in[1] = b;
    node.inputs = 4;
    drop(*inner);
  }

  // Values of joined nodes stay in the list; nothing refers to them.
  void remove_joined() {
    std::vector<TileNode> left;
    for (std::size_t n = 0; n < source_.nodes.size(); ++n) {
      if (gone_[n]) continue;
      source_.values[at(source_.nodes[n].out)].index = static_cast<int>(left.size());
      left.push_back(source_.nodes[n]);
    }
    source_.nodes = std::move(left);
  }

  TileSource& source_;
  std::vector<int> uses_;
  std::vector<bool> gone_;
};

}  // namespace

void join_tile_operations(TileSource& source) { Joiner(source).run(); }

}  // namespace kerasish
