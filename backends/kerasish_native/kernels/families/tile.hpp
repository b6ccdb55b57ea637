// Elementwise programs: what one kernel call of a tile program computes.
#pragma once

#include <cstdint>

#include "../dtype.hpp"

namespace kerasish {

// Operations on registers, X(name, operands). Named after the primitives; those after `where` are fused extras.
#define KERASISH_TILE_OPS(X)                                                                                         \
  X(copy, 1) X(cast, 1) X(bitcast, 1) X(negative, 1) X(abs, 1) X(sign, 1) X(square, 1)                               \
  X(exp, 1) X(expm1, 1) X(log, 1) X(log1p, 1) X(sqrt, 1) X(rsqrt, 1) X(sin, 1) X(cos, 1) X(tan, 1)                   \
  X(arcsin, 1) X(arccos, 1) X(arctan, 1) X(sinh, 1) X(cosh, 1) X(tanh, 1) X(arcsinh, 1) X(arccosh, 1) X(arctanh, 1)  \
  X(sigmoid, 1) X(erf, 1) X(floor, 1) X(ceil, 1) X(trunc, 1) X(round, 1)                                             \
  X(isfinite, 1) X(isnan, 1) X(isinf, 1) X(logical_not, 1) X(bitwise_not, 1)                                         \
  X(add, 2) X(subtract, 2) X(multiply, 2) X(divide, 2) X(floor_divide, 2) X(remainder, 2) X(power, 2)                \
  X(maximum, 2) X(minimum, 2) X(arctan2, 2) X(equal, 2) X(not_equal, 2) X(less, 2) X(less_equal, 2)                  \
  X(greater, 2) X(greater_equal, 2) X(logical_and, 2) X(logical_or, 2) X(logical_xor, 2)                             \
  X(bitwise_and, 2) X(bitwise_or, 2) X(bitwise_xor, 2) X(left_shift, 2) X(right_shift, 2) X(where, 3)                \
  X(reciprocal, 1) X(multiply_add, 3) X(multiply_subtract, 3) X(subtract_multiply, 3)                                \
  X(add_multiply, 3) X(minus_multiply, 3) X(add_add, 3)                                                              \
  X(add_subtract, 3) X(subtract_add, 3) X(multiply_multiply, 3)

// Longer chains that one kernel computes, found by join_tile_operations. a, b, c, d are the operands in order:
// toward: a + (b - a) * c, toward_square: a + (b * b - a) * c, sqrt_add: sqrt(a) + b, add_sqrt: sqrt(a + b),
// subtract_quotient: a - b * c / d.
#define KERASISH_TILE_CHAINS(X) \
  X(toward, 3) X(toward_square, 3) X(sqrt_add, 2) X(add_sqrt, 2) X(subtract_quotient, 4)

enum class TileOp : std::int32_t {
#define KERASISH_NAME(name, operands) name,
  KERASISH_TILE_OPS(KERASISH_NAME) KERASISH_TILE_CHAINS(KERASISH_NAME)
#undef KERASISH_NAME
  count
};

// Reductions: of each row (row_sum ...), or over rows (sum ...). `any` and `all` are max and min of bools.
enum class TileReduction : std::int32_t { sum, prod, max, min, argmax, argmin, count };

constexpr int tile_ops = static_cast<int>(TileOp::count);
constexpr int tile_reductions = static_cast<int>(TileReduction::count);
constexpr int tile_dtypes = 13;
// One bit an operand: set where the operand has one value a row instead of one an element.
constexpr int tile_modes = 16;

// Rows of `cols` elements. A pitch is the distance of two rows in elements; of an operand with one value a row, the
// distance of two values (0: the same value for all). The result may be the memory of an operand of the same pitch.
struct TileCall {
  std::int64_t rows, cols;
  void* out;
  std::int64_t out_pitch;
  const void* in[4];
  std::int64_t pitch[4];
};

using TileFunction = void (*)(const TileCall&);

struct TileKernels {
  // [operation][dtype of the operands][mode]; null where the operation or the mode does not exist. Mode 0 always does.
  TileFunction elementwise[tile_ops][tile_dtypes][tile_modes];
  // [from][to]; 16-bit floats from and to float32 and float64 only.
  TileFunction cast[tile_dtypes][tile_dtypes];
  // out[i] = reduction of row i, out_pitch 1; argmax and argmin give int32.
  TileFunction row_reduce[tile_reductions][tile_dtypes];
  // out[j] = out[j] combined with the reduction of column j; out is double for floats, 64-bit integers else.
  TileFunction accumulate[tile_reductions][tile_dtypes];
  // The sums of products of two operands, float32: of each row, and over rows.
  TileFunction row_sum_product;
  TileFunction accumulate_product;
  // out[i, :] = in[0][i], by item size (1, 2, 4, 8 -> 0..3). The padded form may write 64 bytes beyond the last row.
  TileFunction spread[4];
  TileFunction spread_padded[4];
  // out[i, j] = x[i * row + j * col] by item size; out has pitch cols. Strides count elements.
  void (*gather[4])(void* out, const void* x, std::int64_t rows, std::int64_t cols, std::int64_t row, std::int64_t col);
  // x[i * row + j * col] = in[i * pitch + j].
  void (*scatter[4])(void* x, const void* in, std::int64_t rows, std::int64_t cols, std::int64_t row, std::int64_t col,
                     std::int64_t pitch);
  // out = where(a <compare> b, c, d) of float32; [compare from equal on][mode bit i: operand i has one value a row].
  TileFunction select[6][16];
};

}  // namespace kerasish
