// The kernels of the instruction set in use: one table of function pointers, filled by the copy of compute/ that the
// machine can run. Each family adds a struct of its own to the table and fills it in compute/table.cpp.
#pragma once

#include "families/attention.hpp"
#include "families/conv.hpp"
#include "families/gemm.hpp"
#include "families/epilogue.hpp"
#include "families/tile.hpp"
#include "families/moving.hpp"
#include "families/pool.hpp"
#include "families/recurrent.hpp"
#include "families/random.hpp"
#include "families/ordering.hpp"

namespace kerasish {

struct KernelTable {
  ConvKernels conv;
  GemmKernels gemm;
  TileKernels tile;
  MovingKernels moving;
  PoolKernels pool;
  RecurrentKernels recurrent;
  RandomKernels random;
  OrderingKernels ordering;
  AttentionKernels attention;
};

// The table for isa().
const KernelTable& kernels();

}  // namespace kerasish
