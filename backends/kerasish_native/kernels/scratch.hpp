// Working memory of a thread, kept between calls. Each use has a block of its own, so that a kernel may call another.
#pragma once

#include <cstddef>

namespace kerasish {

enum class Scratch { pack_a, pack_b, tile, window, transformed, widened, recurrent, other, epilogue, count };

// At least `bytes` bytes, aligned to 64, valid until this thread asks for more of the same use. Contents are unspecified.
void* scratch(Scratch use, std::size_t bytes);

}  // namespace kerasish
