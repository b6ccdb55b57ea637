// Element types, numbered as the plan's builder in Python numbers them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kerasish {

enum class Dtype : std::int32_t {
  boolean, uint8, uint16, uint32, uint64, int8, int16, int32, int64, float16, bfloat16, float32, float64,
};

constexpr std::size_t item_size(Dtype dtype) {
  switch (dtype) {
    case Dtype::boolean: case Dtype::uint8: case Dtype::int8: return 1;
    case Dtype::uint16: case Dtype::int16: case Dtype::float16: case Dtype::bfloat16: return 2;
    case Dtype::uint32: case Dtype::int32: case Dtype::float32: return 4;
    default: return 8;
  }
}

}  // namespace kerasish
