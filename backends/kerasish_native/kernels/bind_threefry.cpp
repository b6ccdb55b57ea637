// Random words: as arrays, and as steps that write them into a slot.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "bind.hpp"
#include "interpreter.hpp"
#include "kernel_table.hpp"
#include "plan/program.hpp"
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
    const Unlocked unlocked;
    kernel(k0, k1, c1, size, words.get());
  }
  nb::capsule owner(words.get(), [](void* data) noexcept { delete[] static_cast<Word*>(data); });
  return Vector<Word>(words.release(), {size}, owner);
}

// Words of a draw, from a key that is known when the step runs.
template <typename Word>
class RandomStep final : public Step {
 public:
  RandomStep(View key, View out, std::uint32_t draw) : key_(std::move(key)), out_(std::move(out)), c1_(2 * draw) {
    if (key_.dtype != Dtype::uint32 || key_.shape != std::vector<std::int64_t>{2}) {
      throw std::invalid_argument("a key is uint32 (2,)");
    }
    constexpr Dtype wanted = std::is_same_v<Word, float> ? Dtype::float32 : Dtype::uint32;
    if (out_.dtype != wanted || !is_packed(out_)) {
      throw std::invalid_argument("random words need a C-contiguous result of their dtype");
    }
    if (static_cast<std::uint64_t>(out_.size()) > threefry_max_words) {
      throw std::invalid_argument("at most 2**33 words can be drawn at once");
    }
  }

  void run(Slots slots) const override {
    const auto* key = reinterpret_cast<const std::uint32_t*>(address(key_, slots));
    auto* words = reinterpret_cast<Word*>(address(out_, slots));
    const RandomKernels& table = kernels().random;
    const auto n = static_cast<std::size_t>(out_.size());
    if constexpr (std::is_same_v<Word, float>) {
      table.uniform(key[0], key[key_.strides[0]], c1_, n, words);
    } else {
      table.bits(key[0], key[key_.strides[0]], c1_, n, words);
    }
  }

 private:
  View key_, out_;
  std::uint32_t c1_;
};

template <typename Word>
std::shared_ptr<Step> random_step(const View& key, const View& out, std::uint32_t draw) {
  return std::make_shared<RandomStep<Word>>(key, out, draw);
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
        return generate<std::uint32_t>(k0, k1, c1, n, kernels().random.bits);
      },
      "k0"_a, "k1"_a, "n"_a, "c1"_a = 0,
      "n random uint32 words of the counters (i, c1); with c1 = 0 the same as kerasish.core.threefry.random_bits.");
  m.def(
      "random_uniform",
      [](std::uint32_t k0, std::uint32_t k1, std::int64_t n, std::uint32_t c1) {
        return generate<float>(k0, k1, c1, n, kernels().random.uniform);
      },
      "k0"_a, "k1"_a, "n"_a, "c1"_a = 0, "n float32 numbers in [0, 1): (bits >> 8) * 2**-24.");
  m.def("random_bits_step", &random_step<std::uint32_t>, "key"_a, "out"_a, "draw"_a,
        "out = random_bits(key, draw): key uint32 (2,), read when the step runs; out uint32, C-contiguous.");
  m.def("random_uniform_step", &random_step<float>, "key"_a, "out"_a, "draw"_a,
        "out = random_uniform(key, draw): key uint32 (2,), read when the step runs; out float32, C-contiguous.");
}

}  // namespace kerasish
