// Running sums and products, and places of extremes, along lines.
#include <type_traits>

#include "../families/ordering.hpp"
#include "../scratch.hpp"
#include "../thread_pool.hpp"
#include "half.hpp"
#include "simd.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

constexpr std::int64_t elements_a_range = 16384;
constexpr std::int64_t most_columns = 256;  // neighbouring lines that go side by side

std::size_t grain_of(std::int64_t elements) {
  return static_cast<std::size_t>(elements_a_range / (elements + 1) + 1);
}

// 16-bit floats as float32; anything else as it is.
template <class S>
KERASISH_INLINE auto wide(S x) {
  if constexpr (std::is_integral_v<S>) {
    return x;
  } else {
    return widen(x);
  }
}
template <class T, class S>
KERASISH_INLINE void put(T x, S& y) {
  if constexpr (std::is_integral_v<S>) {
    y = x;
  } else {
    narrow(x, y);
  }
}

// Neighbouring lines in blocks: body(x or result offset of the block's first element, number of lines).
template <class Body>
void each_block(const LineCall& call, const Body& body) {
  const std::int64_t blocks = (call.inner + most_columns - 1) / most_columns;
  const std::int64_t wide = (call.inner + blocks - 1) / (blocks == 0 ? 1 : blocks);
  parallel_for(static_cast<std::size_t>(call.outer * blocks), grain_of(call.n * wide),
               [&](std::size_t begin, std::size_t end) {
                 for (std::size_t i = begin; i < end; ++i) {
                   const std::int64_t row = static_cast<std::int64_t>(i) / blocks;
                   const std::int64_t first = static_cast<std::int64_t>(i) % blocks * wide;
                   const std::int64_t lines = call.inner - first < wide ? call.inner - first : wide;
                   if (lines > 0) body(row, first, lines);
                 }
               });
}

// -- running sums ------------------------------------------------------------------------------------------------------
// Integers are added and multiplied as unsigned ones, which wrap; bools are or-ed and and-ed.
struct Plus {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(a + b);
  }
};
struct Times {
  template <class T>
  static T of(T a, T b) {
    // 16-bit factors would be multiplied as signed ints
    if constexpr (std::is_integral_v<T> && sizeof(T) < 4) return static_cast<T>(std::uint32_t{a} * std::uint32_t{b});
    return static_cast<T>(a * b);
  }
};

// T is what sums are kept in, S what is stored.
template <class Op, class S, class T>
void run_along(const LineCall& call) {
  each_block(call, [&](std::int64_t row, std::int64_t first, std::int64_t lines) {
    const S* x = static_cast<const S*>(call.x) + row * call.n * call.inner + first;
    S* y = static_cast<S*>(call.values) + row * call.n * call.inner + first;
    T sums[most_columns];
    for (std::int64_t i = 0; i < call.n; ++i, x += call.inner, y += call.inner) {
      for (std::int64_t j = 0; j < lines; ++j) {
        const T value = wide(x[j]);
        sums[j] = i == 0 ? value : Op::template of<T>(sums[j], value);
        put(sums[j], y[j]);
      }
    }
  });
}

template <class Op>
void cumulate(const LineCall& call) {
  if (call.n == 0) return;
  switch (call.dtype) {
    case Dtype::boolean: run_along<Op, bool, bool>(call); break;
    case Dtype::uint8: case Dtype::int8: run_along<Op, std::uint8_t, std::uint8_t>(call); break;
    case Dtype::uint16: case Dtype::int16: run_along<Op, std::uint16_t, std::uint16_t>(call); break;
    case Dtype::uint32: case Dtype::int32: run_along<Op, std::uint32_t, std::uint32_t>(call); break;
    case Dtype::uint64: case Dtype::int64: run_along<Op, std::uint64_t, std::uint64_t>(call); break;
    case Dtype::float16: run_along<Op, Half, float>(call); break;
    case Dtype::bfloat16: run_along<Op, Bfloat, float>(call); break;
    case Dtype::float32: run_along<Op, float, float>(call); break;
    case Dtype::float64: run_along<Op, double, double>(call); break;
  }
}

// -- extremes ----------------------------------------------------------------------------------------------------------
template <bool largest, class T>
KERASISH_INLINE bool is_better(T value, T best) {
  const bool beats = largest ? value > best : value < best;
  if constexpr (std::is_floating_point_v<T>) return beats || (value != value && best == best);
  return beats;
}

template <bool largest, class S>
void extreme_along(const LineCall& call) {
  using T = decltype(wide(S{}));
  each_block(call, [&](std::int64_t row, std::int64_t first, std::int64_t lines) {
    const S* x = static_cast<const S*>(call.x) + row * call.n * call.inner + first;
    std::int32_t* places = call.positions + row * call.inner + first;
    T best[most_columns];
    for (std::int64_t j = 0; j < lines; ++j) {
      best[j] = wide(x[j]);
      places[j] = 0;
    }
    for (std::int64_t i = 1; i < call.n; ++i) {
      x += call.inner;
      for (std::int64_t j = 0; j < lines; ++j) {
        const T value = wide(x[j]);
        const bool better = is_better<largest>(value, best[j]);
        best[j] = better ? value : best[j];
        places[j] = better ? static_cast<std::int32_t>(i) : places[j];
      }
    }
  });
}

template <bool largest>
void extreme(const LineCall& call) {
  switch (call.dtype) {
    case Dtype::boolean: case Dtype::uint8: extreme_along<largest, std::uint8_t>(call); break;
    case Dtype::uint16: extreme_along<largest, std::uint16_t>(call); break;
    case Dtype::uint32: extreme_along<largest, std::uint32_t>(call); break;
    case Dtype::uint64: extreme_along<largest, std::uint64_t>(call); break;
    case Dtype::int8: extreme_along<largest, std::int8_t>(call); break;
    case Dtype::int16: extreme_along<largest, std::int16_t>(call); break;
    case Dtype::int32: extreme_along<largest, std::int32_t>(call); break;
    case Dtype::int64: extreme_along<largest, std::int64_t>(call); break;
    case Dtype::float16: extreme_along<largest, Half>(call); break;
    case Dtype::bfloat16: extreme_along<largest, Bfloat>(call); break;
    case Dtype::float32: extreme_along<largest, float>(call); break;
    case Dtype::float64: extreme_along<largest, double>(call); break;
  }
}

}  // namespace

void fill_running(OrderingKernels& table);
void fill_running(OrderingKernels& table) {
  table.cumsum = cumulate<Plus>;
  table.cumprod = cumulate<Times>;
  table.argmax = extreme<true>;
  table.argmin = extreme<false>;
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
