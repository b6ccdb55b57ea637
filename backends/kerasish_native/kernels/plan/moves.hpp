// Calls of the moving kernels from views.
#pragma once

#include <cstring>
#include <stdexcept>

#include "../families/moving.hpp"
#include "program.hpp"
#include "walk.hpp"

namespace kerasish {

inline void require_same(const View& from, const View& to) {
  if (from.shape != to.shape || item_size(from.dtype) != item_size(to.dtype)) {
    throw std::invalid_argument("a copy needs views of one shape and item size");
  }
}

// The call of a walk whose strides are those of the source and of the result; addresses come when it runs.
inline CopyCall copy_call(const Walk& walk, Dtype dtype, std::size_t most_axes = max_axes) {
  walk.require_axes(most_axes, "a copy");
  CopyCall call{};
  call.item = static_cast<int>(item_size(dtype));
  call.axes = static_cast<int>(walk.shape.size());
  for (std::size_t i = 0; i < walk.shape.size(); ++i) {
    call.shape[i] = walk.shape[i];
    call.from_strides[i] = walk.strides[0][i];
    call.to_strides[i] = walk.strides[1][i];
  }
  if (call.axes == 0) {  // a single element
    call.axes = 1;
    call.shape[0] = call.from_strides[0] = call.to_strides[0] = 1;
  }
  return call;
}

}  // namespace kerasish
