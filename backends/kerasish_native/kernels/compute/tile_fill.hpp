// Each file of tile kernels fills its part of the table.
#pragma once

#include "../families/tile.hpp"
#include "simd.hpp"

namespace kerasish {
namespace KERASISH_ISA {

// All of them.
void fill_tile(TileKernels& table);

void fill_tile_float(TileKernels& table);
void fill_tile_math(TileKernels& table);
void fill_tile_integer(TileKernels& table);
void fill_tile_choice(TileKernels& table);
void fill_tile_cast(TileKernels& table);
void fill_tile_reduce(TileKernels& table);
void fill_tile_move(TileKernels& table);

KERASISH_INLINE TileFunction& entry(TileKernels& table, TileOp op, Dtype dtype, int mode = 0) {
  return table.elementwise[static_cast<int>(op)][static_cast<int>(dtype)][mode];
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
