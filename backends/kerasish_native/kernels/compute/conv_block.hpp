// Register blocks of convolutions: P x V vectors of sums.
//
// `dot_block` adds the taps of P neighbouring output positions for V vectors of output channels: numbers of the input
// are broadcast, straight from the image, and multiplied with rows of the weights. `outer_block` adds, over many
// positions, the products of P numbers of the input with V vectors of the output's gradient: a block of the kernel's.
// Either loads P + V operands for P * V multiplications; with at least eight sums and not more loads than the two that
// a core can do in a cycle, they run at the speed of the multiplications.
#pragma once

#include "microkernel.hpp"

namespace kerasish {
namespace KERASISH_ISA {

using i64 = std::int64_t;

#if defined(__AVX512F__)
constexpr int block_vectors = 4;
constexpr int block_height[] = {28, 14, 9, 6};  // the most rows for one vector, two vectors ... : 32 registers
#elif defined(__AVX2__)
constexpr int block_vectors = 3;
constexpr int block_height[] = {12, 6, 4};
#else
constexpr int block_vectors = 3;
constexpr int block_height[] = {8, 5, 3};
#endif
constexpr int tallest_block = block_height[0];

// `length` numbers in a row of the input, from `x` on, meet as many rows of weights, from `w` on.
struct Run {
  i64 x, w;
};

template <class T>
using DotBlock = void (*)(const T* x, i64 pixel, const Run* runs, i64 count, i64 length, const T* w, i64 w_row, T* y,
                          i64 y_pixel, int last, bool add);
// Where the numbers of a block of the kernel's gradient are: at each position `height` in a row, or three such rows.
template <class T>
struct Numbers {
  const T* x;
  i64 pixel, row;  // from a position to the next, from a row of positions to the next
  i64 stack;       // between the three rows
};
template <class T>
using OuterBlock = void (*)(const Numbers<T>& numbers, const T* g, i64 g_pixel, i64 g_row, i64 rows, i64 cols, T* out,
                            i64 out_row);

// Blocks of height 1 .. block_height[v] for v + 1 vectors.
template <class T>
DotBlock<T> dot_block(int height, int vectors);
template <class T>
OuterBlock<T> outer_block(int height, int vectors);
// Three rows of `height` numbers, 3 * height being a height of `outer_block`: for kernels with few numbers in a row,
// whose blocks would be too small.
template <class T>
OuterBlock<T> stacked_outer_block(int height, int vectors);
constexpr int stack_height = 3;

// How `width` rows and `vectors` columns of vectors are cut into blocks of nearly equal sizes.
struct Cut {
  i64 heights;  // blocks along the rows
  i64 panels;   // blocks along the columns
};

KERASISH_INLINE i64 part_begin(i64 size, i64 parts, i64 i) { return size * i / parts; }

// The cut with the least estimated time: half a cycle a multiplication or load, no block under eight sums' latency.
inline Cut best_cut(i64 width, i64 vectors) {
  Cut best{1, 1};
  i64 least = -1;
  for (int v = 1; v <= block_vectors && v <= vectors; ++v) {
    const i64 panels = (vectors + v - 1) / v;
    const i64 heights = (width + block_height[v - 1] - 1) / block_height[v - 1];
    i64 time = 0;
    for (i64 j = 0; j < panels; ++j) {
      const i64 columns = part_begin(vectors, panels, j + 1) - part_begin(vectors, panels, j);
      const i64 low = width / heights, more = width % heights;
      for (i64 k = 0; k < 2; ++k) {
        const i64 height = low + k, blocks = k == 0 ? heights - more : more;
        i64 cost = height * columns;
        if (height + columns > cost) cost = height + columns;
        if (cost < 8) cost = 8;
        time += blocks * (cost + 1);
      }
    }
    if (least < 0 || time < least) {
      least = time;
      best = {heights, panels};
    }
  }
  return best;
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
