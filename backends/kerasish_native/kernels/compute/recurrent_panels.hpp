// What the sequence kernels share: weights packed once a call, and products of a few rows of states with them.
//
// A thread takes a slice of the batch through all times by itself, so there is one hand-out a call, not one a step. The
// weights of usual sizes stay in its second-level cache, where the packed panels are read in order.
#pragma once

#include <cmath>

#include "../families/gemm.hpp"
#include "../families/recurrent.hpp"
#include "../kernel_table.hpp"
#include "../scratch.hpp"
#include "../thread_pool.hpp"
#include "gemm_strip.hpp"
#include "math.hpp"
#include "packing.hpp"

namespace kerasish {
namespace KERASISH_ISA {

// Weights larger than this (bytes of kernel and recurrent kernel) are not read anew at every time if that can be helped:
// the inputs of all times are multiplied ahead.
constexpr std::int64_t most_resident = 768 * 1024;
constexpr std::int64_t most_rows = 28;  // of a slice: two tiles

// The functions of the gates.
KERASISH_INLINE f32v gate(f32v x) { return sigmoid(x); }
KERASISH_INLINE f32v squash(f32v x) { return tanh(x); }
KERASISH_INLINE f64v gate(f64v x) {
  for (int i = 0; i < f64_lanes; ++i) x[i] = 1.0 / (1.0 + std::exp(-x[i]));
  return x;
}
KERASISH_INLINE f64v squash(f64v x) {
  for (int i = 0; i < f64_lanes; ++i) x[i] = std::tanh(x[i]);
  return x;
}

// A (k, columns) matrix in panels of two vectors of columns, the last filled up with zeros.
template <class T>
struct Panels {
  static constexpr int width = 2 * Simd<T>::lanes;

  T* data = nullptr;
  std::int64_t k = 0, columns = 0;

  static std::int64_t padded(std::int64_t columns) { return (columns + width - 1) / width * width; }
  static std::int64_t size(std::int64_t k, std::int64_t columns) { return k * padded(columns); }

  // Rows [at, at + rows) of the matrix from `from`, whose elements are `down` apart along a column, `across` along a row.
  void pack_part(std::int64_t at, std::int64_t rows, const T* from, std::int64_t down, std::int64_t across) const {
    const std::size_t panels = static_cast<std::size_t>(padded(columns) / width);
    parallel_for(panels, static_cast<std::size_t>(16384 / (rows * width + 1) + 1), [&](std::size_t begin, std::size_t end) {
      for (std::size_t p = begin; p < end; ++p) {
        const std::int64_t first = static_cast<std::int64_t>(p) * width, left = columns - first;
        pack(from + first * across, across, down, static_cast<int>(left < width ? left : width), rows,
             data + (static_cast<std::int64_t>(p) * k + at) * width, width);
      }
    });
  }

  // c = a times the matrix, or c += ... Rows of a and c are `a_row` and `c_row` apart; c is padded(columns) wide.
  void multiply(const T* a, std::int64_t a_row, std::int64_t rows, T* c, std::int64_t c_row) const {
    const std::int64_t tiles = (rows + tallest(2) - 1) / tallest(2);
    for (std::int64_t i = 0; i < tiles; ++i) {
      const std::int64_t begin = rows * i / tiles, end = rows * (i + 1) / tiles;
      Strip<T> s{};
      s.a = a + begin * a_row;
      s.a_stride = a_row;
      s.b = data;
      s.b_row = width;
      s.b_next = k * width;
      s.c = c + begin * c_row;
      s.c_row = c_row;
      s.k = k;
      s.panels = padded(columns) / width;
      s.last = width;
      s.add = false;
      strip_function<T>(true, static_cast<int>(end - begin), 2)(s);
    }
  }
};

// Rows of the batch that a thread takes at once.
inline std::int64_t slice_rows(std::int64_t batch) {
  const std::int64_t threads = num_threads(), share = batch == 0 ? 1 : (batch + threads - 1) / threads;
  const std::int64_t slices = (share + most_rows - 1) / most_rows;
  return (share + slices - 1) / slices;
}

// Calls body(slice, begin, end) for the slices of the batch.
template <class Body>
void each_slice(std::int64_t batch, const Body& body) {
  const std::int64_t rows = slice_rows(batch), slices = (batch + rows - 1) / rows;
  parallel_for(static_cast<std::size_t>(slices), 1, [&](std::size_t first, std::size_t beyond) {
    for (std::size_t i = first; i < beyond; ++i) {
      const std::int64_t begin = static_cast<std::int64_t>(i) * rows;
      body(static_cast<std::int64_t>(i), begin, begin + rows < batch ? begin + rows : batch);
    }
  });
}

// Parts of one block of scratch memory, each aligned to a cache line. An object that lists its parts in `lay_out` is
// laid out twice: without memory, to learn how much it needs, and with it.
template <class T>
class Workspace {
 public:
  explicit Workspace(T* data) : data_(data) {}
  void part(T*& pointer, std::int64_t count) {
    pointer = data_ == nullptr ? nullptr : data_ + used_;
    used_ += (count + 15) / 16 * 16 + 16;  // not a power of two, so that parts do not compete for the same cache sets
  }
  std::size_t bytes() const { return static_cast<std::size_t>(used_) * sizeof(T); }

 private:
  T* data_;
  std::int64_t used_ = 0;
};

template <class T, class Object>
void place(Object& object, Scratch use) {
  Workspace<T> count(nullptr);
  object.lay_out(count);
  Workspace<T> block(static_cast<T*>(scratch(use, count.bytes())));
  object.lay_out(block);
}

// The distance between rows of at least n elements, chosen not to be a power of two.
inline std::int64_t row_of(std::int64_t n) { return (n + 15) / 16 * 16 + 16; }

// c (m, n) = a b for row-major c; a's element (i, p) is a[i * a_row + p * a_col].
template <class T>
void product(Dtype dtype, std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t a_row,
             std::int64_t a_col, const T* b, std::int64_t b_row, std::int64_t b_col, T* c, std::int64_t c_row) {
  GemmCall call{};
  call.dtype = dtype;
  call.m = m;
  call.n = n;
  call.k = k;
  call.a = {const_cast<T*>(a), a_row, a_col};
  call.b = {const_cast<T*>(b), b_row, b_col};
  call.c = {c, c_row, 1};
  kernels().gemm.gemm(call);
}

// to[j] += from[j].
template <class T>
void add_row(T* to, const T* from, std::int64_t n) {
  for (std::int64_t j = 0; j < n; ++j) to[j] += from[j];
}

template <class T>
void copy_row(T* to, const T* from, std::int64_t n) {
  std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(T));
}
template <class T>
void clear_row(T* to, std::int64_t n) {
  std::memset(to, 0, static_cast<std::size_t>(n) * sizeof(T));
}
// Row i of an array with rows of n elements; zeros for an array that is absent.
template <class T>
void set_row(T* to, const void* from, std::int64_t i, std::int64_t n) {
  if (from == nullptr) return clear_row(to, n);
  copy_row(to, static_cast<const T*>(from) + i * n, n);
}
// Row i of an array that may be absent.
template <class T>
T* row_or_null(void* array, std::int64_t i, std::int64_t n) {
  return array == nullptr ? nullptr : static_cast<T*>(array) + i * n;
}
// The output of a step that does not count: that of the step before it, zeros at first.
template <class T>
void repeat_output(T* output, std::int64_t step, std::int64_t n) {
  if (output == nullptr) return;
  if (step > 0) return copy_row(output, output - n, n);
  clear_row(output, n);
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
