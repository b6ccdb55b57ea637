// Joins pairs of operations of a tile program where one kernel does both: a load, a store and a call less, and the same
// roundings, so the same results.
#include <cstddef>

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
      if (!join_arithmetic(node)) join_choice(node);
    }
    remove_joined();
  }

 private:
  // The node that makes operand i and is used by nothing else, or null.
  TileNode* only_for(const TileNode& node, int i) {
    const TileValue& value = source_.values[at(node.in[i])];
    if (value.origin != TileOrigin::node || value.kind != TileKind::full || uses_[at(node.in[i])] != 1) return nullptr;
    return &source_.nodes[at(value.index)];
  }

  bool join_arithmetic(TileNode& node) {
    if (node.inputs != 2 || (node.dtype != Dtype::float32 && node.dtype != Dtype::float64)) return false;
    for (int side = 0; side < 2; ++side) {
      TileNode* inner = only_for(node, side);
      if (inner == nullptr || inner->compare != none) continue;
      const bool squares = inner->code == code(TileOp::square);
      const int joined = joined_code(squares ? code(TileOp::multiply) : inner->code, node.code, side);
      if (joined == none) continue;
      const int other = node.in[1 - side];
      node.code = joined;
      node.inputs = 3;
      node.in[0] = inner->in[0];
      node.in[1] = inner->in[squares ? 0 : 1];
      node.in[2] = other;
      gone_[at(source_.values[at(inner->out)].index)] = true;
      return true;
    }
    return false;
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
    gone_[at(source_.values[at(inner->out)].index)] = true;
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
