// What a matrix kernel does with a finished block of its result while the block is still in cache.
#pragma once

#include <cstdint>

namespace kerasish {

// apply(context, ...) is called once for each block [row0, row1) x [col0, col1) of the result matrix, after the block's
// last product was stored; blocks are disjoint and cover the matrix. It is called from several threads. Rows of a batch of
// matrices are numbered through: row i of entry e of matrices of m rows is row e * m + i.
struct Epilogue {
  void (*apply)(const void* context, std::int64_t row0, std::int64_t row1, std::int64_t col0, std::int64_t col1) = nullptr;
  const void* context = nullptr;
};

}  // namespace kerasish
