// One row of tiles: the products of R rows of A with consecutive panels of B.
#pragma once

#include <utility>

#include "microkernel.hpp"

namespace kerasish {
namespace KERASISH_ISA {

template <class T>
struct Strip {
  const T* a;
  std::int64_t a_stride;  // from row to row (A by rows) or from column to column (A by columns)
  const T* b;
  std::int64_t b_row;   // from one row of a panel to the next
  std::int64_t b_next;  // from one panel to the next
  T* c;
  std::int64_t c_row;
  std::int64_t k;
  std::int64_t panels;
  int last;  // of panels one vector wide: how many columns of the last panel belong to C
  bool add;  // to what C holds
};

template <class T>
using StripFunction = void (*)(const Strip<T>&);

// For tiles of R rows (1 .. tallest(V)) by V vectors (1, 2, 4 or 8); A is read by rows or by columns.
template <class T>
StripFunction<T> strip_function(bool by_rows, int R, int V);

template <class T, template <class> class A, int R, int V>
void strip(const Strip<T>& s) {
  constexpr int width = V * Simd<T>::lanes;
  const A<T> a{s.a, s.a_stride};
  const T* b = s.b;
  T* c = s.c;
  for (std::int64_t i = 0; i < s.panels; ++i, b += s.b_next, c += width) {
    Tile<T, R, V> tile;
    tile.clear();
    if (s.add) tile.prefetch(c, s.c_row);
    tile.accumulate(a, b, s.b_row, s.k);
    if constexpr (V == 1) {
      if (i + 1 == s.panels && s.last < width) {
        tile.write_some(c, s.c_row, s.add, s.last);
        return;
      }
    }
    tile.write(c, s.c_row, s.add);
  }
}

template <class T, template <class> class A, int R, int V>
constexpr StripFunction<T> strip_or_null() {
  if constexpr (R <= tallest(V)) {
    return strip<T, A, R, V>;
  } else {
    return nullptr;
  }
}

template <class T, template <class> class A, int V, std::size_t... I>
StripFunction<T> choose_strip(int R, std::index_sequence<I...>) {
  static constexpr StripFunction<T> functions[] = {strip_or_null<T, A, static_cast<int>(I) + 1, V>()...};
  return functions[R - 1];
}

template <class T, template <class> class A>
StripFunction<T> choose_strip(int R, int V) {
  constexpr auto heights = std::make_index_sequence<tallest(1)>{};
  switch (V) {
    case 8: return choose_strip<T, A, 8>(R, heights);
    case 4: return choose_strip<T, A, 4>(R, heights);
    case 2: return choose_strip<T, A, 2>(R, heights);
    default: return choose_strip<T, A, 1>(R, heights);
  }
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
