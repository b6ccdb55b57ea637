// Integers and bools. What does not depend on the sign is compiled for unsigned types only.
#include "tile_fill.hpp"
#include "tile_loops.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

#define KERASISH_PLAIN1(Name, ...) \
  struct Name { template <class T> KERASISH_INLINE static T apply(T a) { return static_cast<T>(__VA_ARGS__); } }
#define KERASISH_PLAIN2(Name, ...) \
  struct Name { template <class T> KERASISH_INLINE static T apply(T a, T b) { return static_cast<T>(__VA_ARGS__); } }
#define KERASISH_COMPARE(Name, ...) \
  struct Name { template <class T> KERASISH_INLINE static std::uint8_t apply(T a, T b) { return __VA_ARGS__; } }

template <class T> constexpr int width = 8 * static_cast<int>(sizeof(T));
template <class T> using Unsigned = std::make_unsigned_t<T>;

KERASISH_PLAIN1(Negative, T(0) - a);
KERASISH_PLAIN1(Square, a * a);
KERASISH_PLAIN1(BitNot, ~a);
KERASISH_PLAIN1(Abs, a < 0 ? Unsigned<T>(0) - Unsigned<T>(a) : Unsigned<T>(a));
KERASISH_PLAIN1(Sign, (a > 0) - (a < 0));
KERASISH_PLAIN1(Not, a == 0);
KERASISH_PLAIN2(Add, a + b);
KERASISH_PLAIN2(Subtract, a - b);
KERASISH_PLAIN2(And, a & b);
KERASISH_PLAIN2(Or, a | b);
KERASISH_PLAIN2(Xor, a ^ b);
KERASISH_PLAIN2(Maximum, a > b ? a : b);
KERASISH_PLAIN2(Minimum, a < b ? a : b);
// Distances out of range shift everything out.
KERASISH_PLAIN2(LeftShift, b < T(width<T>) ? a << (b & T(width<T> - 1)) : 0);
KERASISH_COMPARE(Equal, a == b);
KERASISH_COMPARE(NotEqual, a != b);
KERASISH_COMPARE(Less, a < b);
KERASISH_COMPARE(LessEqual, a <= b);
KERASISH_COMPARE(Greater, a > b);
KERASISH_COMPARE(GreaterEqual, a >= b);

struct Multiply {
  template <class T> KERASISH_INLINE static T apply(T a, T b) {
    using Wide = std::conditional_t<(sizeof(T) < 4), std::uint32_t, T>;  // 16-bit products overflow the int they promote to
    return static_cast<T>(Wide(a) * Wide(b));
  }
};
struct RightShift {
  template <class T> KERASISH_INLINE static T apply(T a, T b) {
    const Unsigned<T> distance = Unsigned<T>(b), most = Unsigned<T>(width<T> - 1);
    if (std::is_signed_v<T>) return static_cast<T>(a >> (distance < most ? distance : most));
    return static_cast<T>(distance <= most ? a >> (distance & most) : T(0));
  }
};

// Rounds towards minus infinity; x / 0 is 0; the one quotient that overflows wraps.
struct FloorDivide {
  template <class T> KERASISH_INLINE static T apply(T a, T b) {
    if (b == 0) return 0;
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return static_cast<T>(Unsigned<T>(0) - Unsigned<T>(a));
      const T quotient = static_cast<T>(a / b);
      return static_cast<T>(quotient - (quotient * b != a && (a < 0) != (b < 0)));
    } else {
      return static_cast<T>(a / b);
    }
  }
};
struct Remainder {
  template <class T> KERASISH_INLINE static T apply(T a, T b) {
    if (b == 0) return 0;
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return 0;
      const T rest = static_cast<T>(a % b);
      return static_cast<T>(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
    } else {
      return static_cast<T>(a % b);
    }
  }
};
// Products wrap; a negative exponent truncates the true value: 0, or +-1 for base +-1.
struct Power {
  template <class T> KERASISH_INLINE static T apply(T base, T exponent) {
    using U = std::uint64_t;
    if constexpr (std::is_signed_v<T>) {
      if (exponent < 0) return base == 1 || (base == -1 && exponent % 2 == 0) ? 1 : base == -1 ? -1 : 0;
    }
    U result = 1, factor = static_cast<U>(base);
    for (U left = static_cast<U>(exponent); left != 0; left >>= 1) {
      if (left & 1) result *= factor;
      factor *= factor;
    }
    return static_cast<T>(result);
  }
};

// `all_modes`: also with one value for all elements; other types get such operands written out.
template <class T, class R, class F, bool all_modes>
void set2(TileKernels& table, TileOp op, Dtype dtype) {
  entry(table, op, dtype, 0) = plain2<T, R, F, 0>;
  if constexpr (all_modes) {
    entry(table, op, dtype, 1) = plain2<T, R, F, 1>;
    entry(table, op, dtype, 2) = plain2<T, R, F, 2>;
  }
}

template <class T, bool all_modes>
void fill_type(TileKernels& table, Dtype dtype) {
  using U = Unsigned<T>;
  using Byte = std::uint8_t;
  entry(table, TileOp::negative, dtype) = plain1<U, U, Negative>;
  entry(table, TileOp::square, dtype) = plain1<U, U, Square>;
  entry(table, TileOp::bitwise_not, dtype) = plain1<U, U, BitNot>;
  entry(table, TileOp::abs, dtype) = plain1<T, T, Abs>;
  entry(table, TileOp::sign, dtype) = plain1<T, T, Sign>;
  set2<U, U, Add, all_modes>(table, TileOp::add, dtype);
  set2<U, U, Subtract, all_modes>(table, TileOp::subtract, dtype);
  set2<U, U, Multiply, all_modes>(table, TileOp::multiply, dtype);
  set2<U, U, And, all_modes>(table, TileOp::bitwise_and, dtype);
  set2<U, U, Or, all_modes>(table, TileOp::bitwise_or, dtype);
  set2<U, U, Xor, all_modes>(table, TileOp::bitwise_xor, dtype);
  set2<U, U, LeftShift, all_modes>(table, TileOp::left_shift, dtype);
  set2<T, T, RightShift, all_modes>(table, TileOp::right_shift, dtype);
  set2<T, T, Maximum, all_modes>(table, TileOp::maximum, dtype);
  set2<T, T, Minimum, all_modes>(table, TileOp::minimum, dtype);
  set2<T, T, FloorDivide, false>(table, TileOp::floor_divide, dtype);
  set2<T, T, Remainder, false>(table, TileOp::remainder, dtype);
  set2<T, T, Power, false>(table, TileOp::power, dtype);
  set2<U, Byte, Equal, all_modes>(table, TileOp::equal, dtype);
  set2<U, Byte, NotEqual, all_modes>(table, TileOp::not_equal, dtype);
  set2<T, Byte, Less, all_modes>(table, TileOp::less, dtype);
  set2<T, Byte, LessEqual, all_modes>(table, TileOp::less_equal, dtype);
  set2<T, Byte, Greater, all_modes>(table, TileOp::greater, dtype);
  set2<T, Byte, GreaterEqual, all_modes>(table, TileOp::greater_equal, dtype);
}

void fill_bool(TileKernels& table) {
  using T = std::uint8_t;
  const Dtype dtype = Dtype::boolean;
  entry(table, TileOp::logical_not, dtype) = plain1<T, T, Not>;
  for (TileOp op : {TileOp::logical_and, TileOp::bitwise_and, TileOp::multiply, TileOp::minimum}) {
    set2<T, T, And, true>(table, op, dtype);
  }
  for (TileOp op : {TileOp::logical_or, TileOp::bitwise_or, TileOp::add, TileOp::maximum}) {
    set2<T, T, Or, true>(table, op, dtype);
  }
  for (TileOp op : {TileOp::logical_xor, TileOp::bitwise_xor}) set2<T, T, Xor, true>(table, op, dtype);
  for (TileOp op : {TileOp::equal, TileOp::not_equal, TileOp::less, TileOp::less_equal, TileOp::greater,
                    TileOp::greater_equal}) {
    for (int mode = 0; mode < 3; ++mode) entry(table, op, dtype, mode) = entry(table, op, Dtype::uint8, mode);
  }
}

}  // namespace

void fill_tile_integer(TileKernels& table) {
  fill_type<std::int32_t, true>(table, Dtype::int32);
  fill_type<std::uint32_t, true>(table, Dtype::uint32);
  fill_type<std::int64_t, true>(table, Dtype::int64);
  fill_type<std::uint64_t, false>(table, Dtype::uint64);
  fill_type<std::int8_t, false>(table, Dtype::int8);
  fill_type<std::uint8_t, false>(table, Dtype::uint8);
  fill_type<std::int16_t, false>(table, Dtype::int16);
  fill_type<std::uint16_t, false>(table, Dtype::uint16);
  fill_bool(table);
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
