// General matrix multiplication.
#pragma once

#include <cstdint>

#include "../dtype.hpp"
#include "epilogue.hpp"

namespace kerasish {

// A matrix in memory: element (i, j) is data[i * row + j * col]; strides count elements and may be 0 or negative.
struct Matrix {
  void* data;
  std::int64_t row;
  std::int64_t col;
};

// C = A B for each batch entry, A (m, k), B (k, n), C (m, n). Each batch axis has a stride in elements for each matrix. C
// overlaps neither A nor B. 16-bit floats are summed in float32, integers wrap, bools are or-ed.
struct GemmCall {
  Dtype dtype;
  std::int64_t m, n, k;
  Matrix a, b, c;
  int batch_axes;
  std::int64_t batch_sizes[6], a_batch[6], b_batch[6], c_batch[6];
  Epilogue epilogue;
};

struct GemmKernels {
  void (*gemm)(const GemmCall&);
};

}  // namespace kerasish
