// Products of integers, which wrap, and of bools: plain loops.
#include "gemm_driver.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

// The arithmetic of bools: or of ands.
struct Bool {
  std::uint8_t value;
};
KERASISH_INLINE void add_product(Bool& sum, Bool a, Bool b) { sum.value |= (a.value != 0) & (b.value != 0); }
template <class U>
KERASISH_INLINE void add_product(U& sum, U a, U b) {
  sum = static_cast<U>(sum + static_cast<U>(std::uint64_t{a} * b));
}

// One row of C, a stretch of columns at a time.
template <class U>
void integer_row(const GemmCall& g, const U* a, const U* b, U* c) {
  constexpr std::int64_t stretch = 512;
  U sums[stretch];
  for (std::int64_t c0 = 0; c0 < g.n; c0 += stretch) {
    const std::int64_t columns = least(stretch, g.n - c0);
    std::memset(sums, 0, sizeof sums);
    for (std::int64_t p = 0; p < g.k; ++p) {
      const U x = a[p * g.a.col];
      const U* y = b + p * g.b.row + c0 * g.b.col;
      if (g.b.col == 1) {
        for (std::int64_t j = 0; j < columns; ++j) add_product(sums[j], x, y[j]);
      } else {
        for (std::int64_t j = 0; j < columns; ++j) add_product(sums[j], x, y[j * g.b.col]);
      }
    }
    for (std::int64_t j = 0; j < columns; ++j) c[(c0 + j) * g.c.col] = sums[j];
  }
}

template <class U>
void integer_gemm(const GemmCall& call) {
  GemmCall g = call;
  fold_batch(g);
  if (g.m == 0 || g.n == 0) return;
  std::int64_t entries = 1;
  for (int i = 0; i < g.batch_axes; ++i) entries *= g.batch_sizes[i];
  const std::int64_t grain = ceil_div(1 << 16, g.n * (g.k + 1));
  parallel_for(static_cast<std::size_t>(entries * g.m), static_cast<std::size_t>(grain), [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::int64_t entry = static_cast<std::int64_t>(i) / g.m, row = static_cast<std::int64_t>(i) % g.m;
      const Offsets at = offsets_of(g, entry);
      integer_row(g, static_cast<const U*>(g.a.data) + at.a + row * g.a.row, static_cast<const U*>(g.b.data) + at.b,
                  static_cast<U*>(g.c.data) + at.c + row * g.c.row);
    }
    if (g.epilogue.apply != nullptr) {
      g.epilogue.apply(g.epilogue.context, static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end), 0, g.n);
    }
  });
}

}  // namespace

template <>
void gemm_of<Integers>(const GemmCall& call) {
  if (call.dtype == Dtype::boolean) return integer_gemm<Bool>(call);
  switch (item_size(call.dtype)) {
    case 1: return integer_gemm<std::uint8_t>(call);
    case 2: return integer_gemm<std::uint16_t>(call);
    case 4: return integer_gemm<std::uint32_t>(call);
    default: return integer_gemm<std::uint64_t>(call);
  }
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
