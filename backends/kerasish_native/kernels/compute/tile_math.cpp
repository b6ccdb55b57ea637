// Transcendental functions of float32 and float64 tiles.
#include "math.hpp"
#include "tile_fill.hpp"
#include "tile_loops.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

struct Exp {
  KERASISH_INLINE static f32v apply(f32v a) { return exp(a); }
};

}  // namespace

void fill_tile_math(TileKernels& table) { entry(table, TileOp::exp, Dtype::float32) = map1<float, Exp>; }

}  // namespace KERASISH_ISA
}  // namespace kerasish
