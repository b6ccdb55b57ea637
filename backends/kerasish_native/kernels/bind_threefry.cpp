#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <memory>
#include <string>

#include "bind.hpp"
#include "threefry.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace kerasish {
namespace {

template <typename Word>
using Vector = nb::ndarray<nb::numpy, Word, nb::ndim<1>, nb::c_contig>;

template <typename Word>
Vector<Word> generate(std::uint32_t k0, std::uint32_t k1, std::uint32_t c1, std::int64_t n,
                      void (*kernel)(std::uint32_t, std::uint32_t, std::uint32_t, std::size_t, Word*)) {
  if (n < 0 || static_cast<std::uint64_t>(n) > threefry_max_words) {
    throw nb::value_error(("n must be between 0 and 2**33 words; received " + std::to_string(n)).c_str());
  }
  const auto size = static_cast<std::size_t>(n);
  std::unique_ptr<Word[]> words(new Word[size]);
  {
    nb::gil_scoped_release unlocked;
    kernel(k0, k1, c1, size, words.get());
  }
  nb::capsule owner(words.get(), [](void* data) noexcept { delete[] static_cast<Word*>(data); });
  return Vector<Word>(words.release(), {size}, owner);
}

}  // namespace

void bind_threefry(nb::module_& m) {
  m.def(
      "threefry2x32",
      [](std::uint32_t k0, std::uint32_t k1, std::uint32_t c0, std::uint32_t c1) {
        const Block block = threefry2x32(k0, k1, c0, c1);
        return nb::make_tuple(block.y0, block.y1);
      },
      "k0"_a, "k1"_a, "c0"_a, "c1"_a, "The Threefry-2x32-20 cipher of one counter.");
  m.def(
      "random_bits",
      [](std::uint32_t k0, std::uint32_t k1, std::int64_t n, std::uint32_t c1) {
        return generate<std::uint32_t>(k0, k1, c1, n, random_bits);
      },
      "k0"_a, "k1"_a, "n"_a, "c1"_a = 0,
      "n random uint32 words of the counters (i, c1); with c1 = 0 the same as kerasish.core.threefry.random_bits.");
  m.def(
      "random_uniform",
      [](std::uint32_t k0, std::uint32_t k1, std::int64_t n, std::uint32_t c1) {
        return generate<float>(k0, k1, c1, n, random_uniform);
      },
      "k0"_a, "k1"_a, "n"_a, "c1"_a = 0, "n float32 numbers in [0, 1): (bits >> 8) * 2**-24.");
}

}  // namespace kerasish
