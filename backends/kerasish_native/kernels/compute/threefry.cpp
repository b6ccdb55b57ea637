// Random words, as many counters at once as a vector has lanes.
#include "../threefry.hpp"

#include "../families/random.hpp"
#include "../thread_pool.hpp"
#include "simd.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

// Blocks a thread takes at least: about 5 µs of work, several times what handing it out costs.
constexpr std::size_t grain = 8192;

KERASISH_INLINE void put(std::uint32_t bits, std::uint32_t* out) { *out = bits; }

// 24 bits fit a float32 mantissa and an int32, whose conversion every instruction set has.
KERASISH_INLINE void put(std::uint32_t bits, float* out) {
  *out = static_cast<float>(static_cast<std::int32_t>(bits >> 8)) * 0x1p-24f;
}

template <typename Word>
void generate(std::uint32_t k0, std::uint32_t k1, std::uint32_t c1, std::size_t n, Word* out) {
  const std::size_t half = n / 2 + n % 2;
  const std::size_t whole = n / 2;  // Blocks of which both words are wanted.
  parallel_for(whole, grain, [=](std::size_t begin, std::size_t end) {
    Word* KERASISH_RESTRICT low = out;
    Word* KERASISH_RESTRICT high = out + half;
    for (std::size_t i = begin; i < end; ++i) {
      const Block block = threefry2x32(k0, k1, static_cast<std::uint32_t>(i), c1);
      put(block.y0, low + i);
      put(block.y1, high + i);
    }
  });
  if (half != whole) put(threefry2x32(k0, k1, static_cast<std::uint32_t>(whole), c1).y0, out + whole);
}

}  // namespace

void fill_random(RandomKernels& table);
void fill_random(RandomKernels& table) {
  table.bits = generate<std::uint32_t>;
  table.uniform = generate<float>;
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
