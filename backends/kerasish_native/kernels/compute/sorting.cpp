// Sorting along lines. Elements become unsigned keys of the same order (NaN above all others, both zeros alike) beside
// their positions; equal keys stay in the order of their positions, so results are stable.
#include <type_traits>

#include "../families/ordering.hpp"
#include "../scratch.hpp"
#include "../thread_pool.hpp"
#include "half.hpp"
#include "simd.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

constexpr std::int64_t elements_a_range = 2048;
constexpr std::int64_t least_for_digits = 256;  // shorter lines are merged
constexpr std::int64_t most_held = 32;          // of top_k: how many are kept in order while a line is gone through

// -- keys --------------------------------------------------------------------------------------------------------------
template <class T>
KERASISH_INLINE std::enable_if_t<std::is_integral_v<T>, std::make_unsigned_t<T>> key_of(T x) {
  using U = std::make_unsigned_t<T>;
  const U sign = std::is_signed_v<T> ? static_cast<U>(U{1} << (8 * sizeof(T) - 1)) : U{0};
  return static_cast<U>(static_cast<U>(x) ^ sign);
}
KERASISH_INLINE std::uint32_t key_of(float x) {
  if (x != x) return ~std::uint32_t{0};
  const std::uint32_t bits = bits_of(x == 0 ? 0.0f : x), sign = 0x80000000u;
  return (bits & sign) != 0 ? ~bits : bits | sign;
}
KERASISH_INLINE std::uint64_t key_of(double x) {
  if (x != x) return ~std::uint64_t{0};
  std::uint64_t bits;
  const double plain = x == 0 ? 0.0 : x;
  std::memcpy(&bits, &plain, sizeof bits);
  const std::uint64_t sign = std::uint64_t{1} << 63;
  return (bits & sign) != 0 ? ~bits : bits | sign;
}
KERASISH_INLINE std::uint32_t key_of(Half x) { return key_of(widen(x)); }
KERASISH_INLINE std::uint32_t key_of(Bfloat x) { return key_of(widen(x)); }

// A key and its position: of up to 32 bits in one word, which compares as the pair does; wider ones side by side.
struct Narrow {
  std::uint64_t word;
  static constexpr int digits = 4;

  template <class K>
  static Narrow of(K key, std::int64_t at) {
    return {static_cast<std::uint64_t>(key) << 32 | static_cast<std::uint64_t>(at)};
  }
  std::int32_t position() const { return static_cast<std::int32_t>(word & 0xffffffffu); }
  unsigned digit(int i) const { return static_cast<unsigned>(word >> (32 + 8 * i) & 0xffu); }
  bool before(Narrow other) const { return word < other.word; }
};
struct Broad {
  std::uint64_t key, at;
  static constexpr int digits = 8;

  static Broad of(std::uint64_t key, std::int64_t at) { return {key, static_cast<std::uint64_t>(at)}; }
  std::int32_t position() const { return static_cast<std::int32_t>(at); }
  unsigned digit(int i) const { return static_cast<unsigned>(key >> (8 * i) & 0xffu); }
  bool before(Broad other) const { return key < other.key || (key == other.key && at < other.at); }
};
template <class S>
using Item = std::conditional_t<sizeof(decltype(key_of(S{}))) <= 4, Narrow, Broad>;

// -- order -------------------------------------------------------------------------------------------------------------
template <class I>
void insert(I* items, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin + 1; i < end; ++i) {
    const I item = items[i];
    std::int64_t j = i;
    for (; j > begin && item.before(items[j - 1]); --j) items[j] = items[j - 1];
    items[j] = item;
  }
}

// Runs put in order by insertion, then merged two by two. Returns which of the two arrays holds the result.
template <class I>
I* merge_sorted(I* items, I* other, std::int64_t n) {
  constexpr std::int64_t run = 16;
  for (std::int64_t i = 0; i < n; i += run) insert(items, i, n - i < run ? n : i + run);
  for (std::int64_t width = run; width < n; width *= 2) {
    for (std::int64_t begin = 0; begin < n; begin += 2 * width) {
      const std::int64_t middle = n - begin < width ? n : begin + width, end = n - begin < 2 * width ? n : begin + 2 * width;
      std::int64_t a = begin, b = middle;
      for (std::int64_t to = begin; to < end; ++to) {
        const bool second = b < end && (a == middle || items[b].before(items[a]));
        other[to] = second ? items[b++] : items[a++];
      }
    }
    I* const held = items;
    items = other;
    other = held;
  }
  return items;
}

// Digit by digit from the lowest (H. H. Seward 1954); a digit that all keys share is passed over.
template <class I>
I* digit_sorted(I* items, I* other, std::int64_t n) {
  for (int d = 0; d < I::digits; ++d) {
    std::uint32_t begin[256] = {};
    for (std::int64_t i = 0; i < n; ++i) ++begin[items[i].digit(d)];
    if (begin[items[0].digit(d)] == static_cast<std::uint32_t>(n)) continue;
    std::uint32_t sum = 0;
    for (std::uint32_t& count : begin) {
      const std::uint32_t here = count;
      count = sum;
      sum += here;
    }
    for (std::int64_t i = 0; i < n; ++i) other[begin[items[i].digit(d)]++] = items[i];
    I* const held = items;
    items = other;
    other = held;
  }
  return items;
}

template <class I>
I* sorted(I* items, I* other, std::int64_t n) {
  return n < least_for_digits ? merge_sorted(items, other, n) : digit_sorted(items, other, n);
}

template <class Body>
void each_line(const LineCall& call, const Body& body) {
  const std::size_t grain = static_cast<std::size_t>(elements_a_range / (call.n + 1) + 1);
  parallel_for(static_cast<std::size_t>(call.outer * call.inner), grain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      body(static_cast<std::int64_t>(i) / call.inner, static_cast<std::int64_t>(i) % call.inner);
    }
  });
}

// Room for two arrays of a line's items.
template <class I>
I* items_for(std::int64_t n) {
  return static_cast<I*>(scratch(Scratch::other, static_cast<std::size_t>(2 * n + 1) * sizeof(I)));
}

template <class S>
void sort_of(const LineCall& call) {
  using I = Item<S>;
  each_line(call, [&](std::int64_t row, std::int64_t column) {
    const std::int64_t first = row * call.n * call.inner + column, step = call.inner;
    const S* x = static_cast<const S*>(call.x) + first;
    I* items = items_for<I>(call.n);
    for (std::int64_t i = 0; i < call.n; ++i) items[i] = I::of(key_of(x[i * step]), i);
    items = sorted(items, items + call.n, call.n);
    for (std::int64_t i = 0; i < call.n; ++i) {
      if (call.values != nullptr) static_cast<S*>(call.values)[first + i * step] = x[items[i].position() * step];
      if (call.positions != nullptr) call.positions[first + i * step] = items[i].position();
    }
  });
}

// The k first of the items in order, by insertion into those held so far.
template <class I, class Make>
void select_few(I* held, std::int64_t k, std::int64_t n, const Make& make) {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const I item = make(i);
    if (count == k && !item.before(held[k - 1])) continue;
    std::int64_t j = count < k ? count++ : k - 1;
    for (; j > 0 && item.before(held[j - 1]); --j) held[j] = held[j - 1];
    held[j] = item;
  }
}

template <class S>
void top_k_of(const LineCall& call) {
  using I = Item<S>;
  using K = decltype(key_of(S{}));
  if (call.k == 0) return;
  each_line(call, [&](std::int64_t row, std::int64_t) {
    const S* x = static_cast<const S*>(call.x) + row * call.n;
    const auto make = [&](std::int64_t i) { return I::of(static_cast<K>(~key_of(x[i])), i); };
    I* items = items_for<I>(call.n);
    if (call.k <= most_held) {
      select_few(items, call.k, call.n, make);
    } else {
      for (std::int64_t i = 0; i < call.n; ++i) items[i] = make(i);
      items = sorted(items, items + call.n, call.n);
    }
    for (std::int64_t i = 0; i < call.k; ++i) {
      static_cast<S*>(call.values)[row * call.k + i] = x[items[i].position()];
      call.positions[row * call.k + i] = items[i].position();
    }
  });
}

template <template <class> class Kernel>
void for_dtype(const LineCall& call) {
  switch (call.dtype) {
    case Dtype::boolean: case Dtype::uint8: Kernel<std::uint8_t>::run(call); break;
    case Dtype::uint16: Kernel<std::uint16_t>::run(call); break;
    case Dtype::uint32: Kernel<std::uint32_t>::run(call); break;
    case Dtype::uint64: Kernel<std::uint64_t>::run(call); break;
    case Dtype::int8: Kernel<std::int8_t>::run(call); break;
    case Dtype::int16: Kernel<std::int16_t>::run(call); break;
    case Dtype::int32: Kernel<std::int32_t>::run(call); break;
    case Dtype::int64: Kernel<std::int64_t>::run(call); break;
    case Dtype::float16: Kernel<Half>::run(call); break;
    case Dtype::bfloat16: Kernel<Bfloat>::run(call); break;
    case Dtype::float32: Kernel<float>::run(call); break;
    case Dtype::float64: Kernel<double>::run(call); break;
  }
}
template <class S>
struct Sort {
  static void run(const LineCall& call) { sort_of<S>(call); }
};
template <class S>
struct TopK {
  static void run(const LineCall& call) { top_k_of<S>(call); }
};

}  // namespace

void fill_sorting(OrderingKernels& table);
void fill_sorting(OrderingKernels& table) {
  table.sort = for_dtype<Sort>;
  table.top_k = for_dtype<TopK>;
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
