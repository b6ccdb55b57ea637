// Walks over several arrays at once, made short before any kernel sees them: axes of size 1 go, neighbours merge.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace kerasish {

// A shape, and for each array its strides along it.
struct Walk {
  using Ints = std::vector<std::int64_t>;

  Ints shape;
  std::vector<Ints> strides;

  bool is_empty() const {
    for (std::int64_t size : shape) {
      if (size == 0) return true;
    }
    return false;
  }

  void drop_axis(std::size_t axis) {
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
    for (Ints& s : strides) s.erase(s.begin() + static_cast<std::ptrdiff_t>(axis));
  }

  // Axes in the order of decreasing |stride| of one array. Axes along which that array has stride 0 stay where they are
  // relative to those before them.
  void sort_by(std::size_t array) {
    for (std::size_t i = 1; i < shape.size(); ++i) {
      for (std::size_t j = i; j > 0 && std::llabs(strides[array][j - 1]) < std::llabs(strides[array][j]); --j) {
        std::swap(shape[j - 1], shape[j]);
        for (Ints& s : strides) std::swap(s[j - 1], s[j]);
      }
    }
  }

  // Merges axis i into i + 1 wherever all arrays go over both in one run.
  void merge() {
    for (std::size_t i = shape.size(); i-- > 0;) {
      if (shape[i] == 1) drop_axis(i);
    }
    for (std::size_t i = shape.size(); i-- > 1;) {
      bool runs_on = true;
      for (const Ints& s : strides) runs_on = runs_on && s[i - 1] == s[i] * shape[i];
      if (!runs_on) continue;
      shape[i] *= shape[i - 1];
      drop_axis(i - 1);
    }
  }

  void require_axes(std::size_t most, const char* what) const {
    if (shape.size() > most) throw std::invalid_argument(std::string(what) + ": too many axes that do not merge");
  }
};

}  // namespace kerasish
