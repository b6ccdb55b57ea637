// Integers, bools, and choices between values of any type.
#include "tile_fill.hpp"
#include "tile_loops.hpp"

namespace kerasish {
namespace KERASISH_ISA {

void fill_tile_integer(TileKernels&) {}

}  // namespace KERASISH_ISA
}  // namespace kerasish
