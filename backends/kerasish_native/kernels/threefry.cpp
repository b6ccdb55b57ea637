#include "threefry.hpp"

#include "isa.hpp"
#include "thread_pool.hpp"

namespace kerasish {
namespace {

// Blocks per range of work: 50 µs or more, what waking a sleeping thread costs on a busy machine.
constexpr std::size_t grain = 65536;

KERASISH_INLINE std::uint32_t rotate_left(std::uint32_t x, int by) {
  return (x << by) | (x >> (32 - by));
}

KERASISH_INLINE Block cipher(std::uint32_t k0, std::uint32_t k1, std::uint32_t c0, std::uint32_t c1) {
  constexpr int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  // 0x1BD11BDA: the parity constant of the paper, so that no key gives an all-zero schedule.
  const std::uint32_t schedule[3] = {k0, k1, 0x1BD11BDAu ^ k0 ^ k1};
  std::uint32_t x0 = c0 + k0;
  std::uint32_t x1 = c1 + k1;
#if defined(__GNUC__)
#pragma GCC unroll 5
#endif
  for (int group = 0; group < 5; ++group) {
#if defined(__GNUC__)
#pragma GCC unroll 4
#endif
    for (int round = 0; round < 4; ++round) {
      x0 += x1;
      x1 = rotate_left(x1, rotations[group & 1][round]) ^ x0;
    }
    x0 += schedule[(group + 1) % 3];
    x1 += schedule[(group + 2) % 3] + static_cast<std::uint32_t>(group + 1);
  }
  return {x0, x1};
}

KERASISH_INLINE void store(std::uint32_t bits, std::uint32_t* out) { *out = bits; }

// 24 bits fit a float32 mantissa and an int32, whose conversion every instruction set has.
KERASISH_INLINE void store(std::uint32_t bits, float* out) {
  *out = static_cast<float>(static_cast<std::int32_t>(bits >> 8)) * 0x1p-24f;
}

// Blocks [begin, end) to low[i] and high[i]. One body; compiled once for each instruction set.
template <typename Word>
KERASISH_INLINE void fill_body(std::uint32_t k0, std::uint32_t k1, std::uint32_t c1, std::size_t begin,
                               std::size_t end, Word* KERASISH_RESTRICT low,
                               Word* KERASISH_RESTRICT high) {
  for (std::size_t i = begin; i < end; ++i) {
    const Block block = cipher(k0, k1, static_cast<std::uint32_t>(i), c1);
    store(block.y0, low + i);
    store(block.y1, high + i);
  }
}

template <typename Word>
using Fill = void (*)(std::uint32_t, std::uint32_t, std::uint32_t, std::size_t, std::size_t, Word*, Word*);

template <typename Word>
void fill_generic(std::uint32_t k0, std::uint32_t k1, std::uint32_t c1, std::size_t begin,
                  std::size_t end, Word* low, Word* high) {
  fill_body(k0, k1, c1, begin, end, low, high);
}

#if KERASISH_X86
template <typename Word>
KERASISH_TARGET_AVX2 void fill_avx2(std::uint32_t k0, std::uint32_t k1, std::uint32_t c1,
                                    std::size_t begin, std::size_t end, Word* low, Word* high) {
  fill_body(k0, k1, c1, begin, end, low, high);
}

template <typename Word>
KERASISH_TARGET_AVX512 void fill_avx512(std::uint32_t k0, std::uint32_t k1, std::uint32_t c1,
                                        std::size_t begin, std::size_t end, Word* low, Word* high) {
  fill_body(k0, k1, c1, begin, end, low, high);
}
#endif

template <typename Word>
Fill<Word> choose_fill() {
#if KERASISH_X86
  switch (isa()) {
    case Isa::avx512: return fill_avx512<Word>;
    case Isa::avx2: return fill_avx2<Word>;
    case Isa::generic: break;
  }
#endif
  return fill_generic<Word>;
}

template <typename Word>
void generate(std::uint32_t k0, std::uint32_t k1, std::uint32_t c1, std::size_t n, Word* out) {
  const std::size_t half = n / 2 + n % 2;
  const std::size_t whole = n / 2;  // Blocks of which both words are wanted.
  const Fill<Word> fill = choose_fill<Word>();
  Word* high = out + half;
  parallel_for(whole, grain,
               [=](std::size_t begin, std::size_t end) { fill(k0, k1, c1, begin, end, out, high); });
  if (half != whole) {
    store(cipher(k0, k1, static_cast<std::uint32_t>(whole), c1).y0, out + whole);
  }
}

}  // namespace

Block threefry2x32(std::uint32_t k0, std::uint32_t k1, std::uint32_t c0, std::uint32_t c1) {
  return cipher(k0, k1, c0, c1);
}

void random_bits(std::uint32_t k0, std::uint32_t k1, std::uint32_t c1, std::size_t n, std::uint32_t* out) {
  generate(k0, k1, c1, n, out);
}

void random_uniform(std::uint32_t k0, std::uint32_t k1, std::uint32_t c1, std::size_t n, float* out) {
  generate(k0, k1, c1, n, out);
}

}  // namespace kerasish
