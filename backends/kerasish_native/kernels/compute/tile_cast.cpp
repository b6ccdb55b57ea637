// Conversions between dtypes, tile by tile.
#include <limits>

#include "tile_fill.hpp"
#include "tile_loops.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

// One value. Float to integer truncates, saturates and maps NaN to 0; integers wrap; to bool is x != 0 (NaN is true).
template <class From, class To>
struct Convert {
  KERASISH_INLINE static To apply(From x) {
    if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
      // The first float above the range is a power of two: exact.
      const From above = From(std::numeric_limits<To>::max() / 2 + 1) * 2;
      const From below = From(std::numeric_limits<To>::min());
      return x >= above ? std::numeric_limits<To>::max()
             : x < below ? std::numeric_limits<To>::min()
             : x != x    ? To(0)
                         : static_cast<To>(x);
    } else {
      return static_cast<To>(x);
    }
  }
};
template <class From>
struct Truth {
  KERASISH_INLINE static std::uint8_t apply(From x) { return x != 0; }
};

template <class From, class To>
void set(TileKernels& table, Dtype from, Dtype to) {
  table.cast[static_cast<int>(from)][static_cast<int>(to)] = plain1<From, To, Convert<From, To>>;
}

// Integers keep their low bits, whatever the sign: one kernel serves both.
template <class From, class To>
using Target = std::conditional_t<std::is_integral_v<From>, std::make_unsigned_t<To>, To>;

template <class From>
void fill_from(TileKernels& table, Dtype from) {
  table.cast[static_cast<int>(from)][0] = plain1<From, std::uint8_t, Truth<From>>;
  set<From, std::uint8_t>(table, from, Dtype::uint8);
  set<From, std::uint16_t>(table, from, Dtype::uint16);
  set<From, std::uint32_t>(table, from, Dtype::uint32);
  set<From, std::uint64_t>(table, from, Dtype::uint64);
  set<From, Target<From, std::int8_t>>(table, from, Dtype::int8);
  set<From, Target<From, std::int16_t>>(table, from, Dtype::int16);
  set<From, Target<From, std::int32_t>>(table, from, Dtype::int32);
  set<From, Target<From, std::int64_t>>(table, from, Dtype::int64);
  set<From, float>(table, from, Dtype::float32);
  set<From, double>(table, from, Dtype::float64);
}

KERASISH_INLINE std::uint32_t bits_of(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
KERASISH_INLINE float float_of(std::uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

struct FromBfloat16 {
  KERASISH_INLINE static float apply(std::uint16_t x) { return float_of(std::uint32_t{x} << 16); }
};
struct ToBfloat16 {
  KERASISH_INLINE static std::uint16_t apply(float x) {
    const std::uint32_t bits = bits_of(x);
    const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;  // to nearest, ties to even
    const std::uint32_t nan = (bits >> 16) | 0x40u;
    return static_cast<std::uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
  }
};
struct FromFloat16 {
  KERASISH_INLINE static float apply(std::uint16_t x) {
    const std::uint32_t sign = std::uint32_t{x & 0x8000u} << 16, body = x & 0x7fffu;
    // Moved into place the exponent is 112 too small; a product with 2^112 mends that and normalises subnormals.
    const float value = float_of(body << 13) * float_of(0x77800000u);
    const std::uint32_t bits = body >= 0x7c00u ? (body << 13) | 0x7f800000u : bits_of(value);
    return float_of(bits | sign);
  }
};
struct ToFloat16 {
  KERASISH_INLINE static std::uint16_t apply(float x) {
    const std::uint32_t bits = bits_of(x), sign = (bits >> 16) & 0x8000u, body = bits & 0x7fffffffu;
    // Normal results: rebias and round to nearest even in the integer domain; a carry runs into the exponent.
    const std::uint32_t normal = (body - 0x38000000u + 0xfffu + ((body >> 13) & 1u)) >> 13;
    // Subnormal results: adding 0.5 leaves the multiple of 2^-24, rounded, in the low bits.
    const std::uint32_t small = bits_of(float_of(body) + 0.5f) - 0x3f000000u;
    const std::uint32_t result = body > 0x7f800000u    ? 0x7e00u
                                 : body >= 0x477ff000u ? 0x7c00u
                                 : body < 0x38800000u  ? small
                                                       : normal;
    return static_cast<std::uint16_t>(result | sign);
  }
};

// float64 to float32 rounded to odd: a second rounding to fewer bits is then the same as one rounding.
KERASISH_INLINE float to_odd(double x) {
  const float near = static_cast<float>(x);
  if (static_cast<double>(near) == x || x != x) return near;
  std::uint32_t bits = bits_of(near);
  if (std::fabs(static_cast<double>(near)) > std::fabs(x)) --bits;
  return float_of(bits | 1u);
}
template <class F>
struct FromDouble {
  KERASISH_INLINE static std::uint16_t apply(double x) { return F::apply(to_odd(x)); }
};
template <class F>
struct IntoDouble {
  KERASISH_INLINE static double apply(std::uint16_t x) { return F::apply(x); }
};

#if defined(__AVX2__)
// Eight at a time with the conversions of F16C; both ends whole vectors.
void load_float16(const TileCall& t) {
  for (i64 i = 0; i < t.rows; ++i) {
    float* out = static_cast<float*>(t.out) + i * t.out_pitch;
    const std::uint16_t* a = static_cast<const std::uint16_t*>(t.in[0]) + i * t.pitch[0];
    i64 j = 0;
    for (; j + 8 <= t.cols; j += 8) {
      _mm256_storeu_ps(out + j, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a + j))));
    }
    for (; j < t.cols; ++j) out[j] = _cvtsh_ss(a[j]);
  }
}
void store_float16(const TileCall& t) {
  for (i64 i = 0; i < t.rows; ++i) {
    std::uint16_t* out = static_cast<std::uint16_t*>(t.out) + i * t.out_pitch;
    const float* a = static_cast<const float*>(t.in[0]) + i * t.pitch[0];
    i64 j = 0;
    for (; j + 8 <= t.cols; j += 8) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + j), _mm256_cvtps_ph(_mm256_loadu_ps(a + j), 0));
    }
    for (; j < t.cols; ++j) out[j] = _cvtss_sh(a[j], 0);
  }
}
#else
constexpr TileFunction load_float16 = plain1<std::uint16_t, float, FromFloat16>;
constexpr TileFunction store_float16 = plain1<float, std::uint16_t, ToFloat16>;
#endif

void fill_halves(TileKernels& table) {
  const auto at = [&](Dtype from, Dtype to) -> TileFunction& {
    return table.cast[static_cast<int>(from)][static_cast<int>(to)];
  };
  at(Dtype::float16, Dtype::float32) = load_float16;
  at(Dtype::float32, Dtype::float16) = store_float16;
  at(Dtype::bfloat16, Dtype::float32) = plain1<std::uint16_t, float, FromBfloat16>;
  at(Dtype::float32, Dtype::bfloat16) = plain1<float, std::uint16_t, ToBfloat16>;
  at(Dtype::float16, Dtype::float64) = plain1<std::uint16_t, double, IntoDouble<FromFloat16>>;
  at(Dtype::float64, Dtype::float16) = plain1<double, std::uint16_t, FromDouble<ToFloat16>>;
  at(Dtype::bfloat16, Dtype::float64) = plain1<std::uint16_t, double, IntoDouble<FromBfloat16>>;
  at(Dtype::float64, Dtype::bfloat16) = plain1<double, std::uint16_t, FromDouble<ToBfloat16>>;
}

}  // namespace

void fill_tile_cast(TileKernels& table) {
  fill_from<std::uint8_t>(table, Dtype::boolean);
  fill_from<std::uint8_t>(table, Dtype::uint8);
  fill_from<std::uint16_t>(table, Dtype::uint16);
  fill_from<std::uint32_t>(table, Dtype::uint32);
  fill_from<std::uint64_t>(table, Dtype::uint64);
  fill_from<std::int8_t>(table, Dtype::int8);
  fill_from<std::int16_t>(table, Dtype::int16);
  fill_from<std::int32_t>(table, Dtype::int32);
  fill_from<std::int64_t>(table, Dtype::int64);
  fill_from<float>(table, Dtype::float32);
  fill_from<double>(table, Dtype::float64);
  fill_halves(table);
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
