// Fills the table of kernels with this instruction set's copies.
#include "../kernel_table.hpp"
#include "simd.hpp"

namespace kerasish {
namespace KERASISH_ISA {

void fill_attention(AttentionKernels& table);
void fill_conv(ConvKernels& table);
void fill_gemm(GemmKernels& table);
void fill_tile(TileKernels& table);
void fill_copy(MovingKernels& table);
void fill_gather(MovingKernels& table);
void fill_descend(MovingKernels& table);
void fill_pool(PoolKernels& table);
void fill_lstm(RecurrentKernels& table);
void fill_gru(RecurrentKernels& table);
void fill_random(RandomKernels& table);
void fill_running(OrderingKernels& table);
void fill_sorting(OrderingKernels& table);

void fill(KernelTable& table);
void fill(KernelTable& table) {
  fill_conv(table.conv);
  fill_gemm(table.gemm);
  fill_tile(table.tile);
  fill_copy(table.moving);
  fill_gather(table.moving);
  fill_descend(table.moving);
  fill_pool(table.pool);
  fill_lstm(table.recurrent);
  fill_gru(table.recurrent);
  fill_random(table.random);
  fill_running(table.ordering);
  fill_sorting(table.ordering);
  fill_attention(table.attention);
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
