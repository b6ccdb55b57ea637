// Copies from and to places that indices name.
//
// Where indices name whole rows (an embedding), a row is one run of memory. Additions are made in the order of the walk
// for every element, whatever the number of threads: threads share the columns of the rows, not the rows.
#include <type_traits>

#include "../families/moving.hpp"
#include "../scratch.hpp"
#include "../thread_pool.hpp"
#include "half.hpp"
#include "odometer.hpp"
#include "simd.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

constexpr std::int64_t bytes_a_range = 32768;
constexpr std::int64_t least_columns = 16;  // of a thread's share of a row: a cache line of float32

KERASISH_INLINE std::int64_t clamped(std::int32_t place, std::int64_t size) {
  const std::int64_t low = place < 0 ? 0 : place;
  return low < size ? low : size - 1;
}

// The rows of a walk whose last axis no index depends on.
class Rows {
 public:
  Rows(const CopyCall& walk, const Places& places, std::int64_t row)
      : walk_(walk), places_(places), odometer_(walk.shape, walk.axes, {walk.from_strides, walk.to_strides}, row) {}

  // Calls body(from, to, place) for the next `rows` rows: offsets of both sides, and of the place that the indices name.
  template <typename Body>
  KERASISH_INLINE void each(std::int64_t rows, const Body& body) {
    const int axis = walk_.axes - 2;
    while (rows > 0) {
      const std::int64_t many = rows < odometer_.run() ? rows : odometer_.run();
      const std::int32_t* data[max_axes];
      for (int k = 0; k < places_.count; ++k) data[k] = places_.data[k] + start(k);
      const std::int64_t from_step = axis < 0 ? 0 : walk_.from_strides[axis], to_step = axis < 0 ? 0 : walk_.to_strides[axis];
      std::int64_t from = odometer_.offset[0], to = odometer_.offset[1];
      if (places_.count == 1) {
        const std::int64_t stride = axis < 0 ? 0 : places_.strides[0][axis], size = places_.size[0], step = places_.step[0];
        for (std::int64_t i = 0; i < many; ++i, from += from_step, to += to_step) {
          body(from, to, clamped(data[0][i * stride], size) * step);
        }
      } else {
        for (std::int64_t i = 0; i < many; ++i, from += from_step, to += to_step) {
          std::int64_t place = 0;
          for (int k = 0; k < places_.count; ++k) {
            const std::int64_t stride = axis < 0 ? 0 : places_.strides[k][axis];
            place += clamped(data[k][i * stride], places_.size[k]) * places_.step[k];
          }
          body(from, to, place);
        }
      }
      rows -= many;
      odometer_.skip(many);
    }
  }

 private:
  // Where the row at hand finds its index.
  std::int64_t start(int k) const {
    std::int64_t at = 0;
    for (int axis = 0; axis < walk_.axes - 1; ++axis) at += odometer_.at(axis) * places_.strides[k][axis];
    return at;
  }

  const CopyCall& walk_;
  const Places& places_;
  Odometer<2> odometer_;
};

bool has_rows(const CopyCall& walk, const Places& places) {
  for (int i = 0; i < places.count; ++i) {
    if (places.strides[i][walk.axes - 1] != 0) return false;
  }
  return true;
}

// The same walk with a last axis of size 1: every element is a row.
void make_rows(CopyCall& walk, Places& places) {
  walk.shape[walk.axes] = 1;
  walk.from_strides[walk.axes] = walk.to_strides[walk.axes] = 1;
  for (int i = 0; i < places.count; ++i) places.strides[i][walk.axes] = 0;
  walk.axes += 1;
}

// -- gather ------------------------------------------------------------------------------------------------------------
template <typename T>
void gather_rows(const CopyCall& walk, const Places& places) {
  const int last = walk.axes - 1;
  const std::int64_t length = walk.shape[last];
  const std::int64_t from_stride = walk.from_strides[last], to_stride = walk.to_strides[last];
  const std::size_t bytes = static_cast<std::size_t>(length) * sizeof(T);
  const std::size_t grain = bytes_a_range / (bytes + 8) + 1;
  parallel_for(static_cast<std::size_t>(rows_of(walk.shape, walk.axes)), grain, [&](std::size_t begin, std::size_t end) {
    Rows rows(walk, places, static_cast<std::int64_t>(begin));
    rows.each(static_cast<std::int64_t>(end - begin), [&](std::int64_t source, std::int64_t target, std::int64_t place) {
      const T* from = reinterpret_cast<const T*>(walk.from) + source + place;
      T* to = reinterpret_cast<T*>(walk.to) + target;
      if (from_stride == 1 && to_stride == 1) {
        copy_bytes(reinterpret_cast<char*>(to), reinterpret_cast<const char*>(from), bytes);
      } else {
        for (std::int64_t i = 0; i < length; ++i) to[i * to_stride] = from[i * from_stride];
      }
    });
  });
}

void gather(const GatherCall& call) {
  CopyCall walk = call.walk;
  Places places = call.places;
  if (!has_rows(walk, places)) make_rows(walk, places);
  switch (walk.item) {
    case 1: gather_rows<std::int8_t>(walk, places); break;
    case 2: gather_rows<std::int16_t>(walk, places); break;
    case 4: gather_rows<std::int32_t>(walk, places); break;
    default: gather_rows<std::int64_t>(walk, places); break;
  }
}

// -- scatter -----------------------------------------------------------------------------------------------------------
// Integers are added as unsigned ones, which wrap (scatter() below sees to that).
struct Put {
  template <typename T>
  static T of(T, T update) {
    return update;
  }
};
struct Add {
  template <typename T>
  static T of(T value, T update) {
    return static_cast<T>(value + update);
  }
  static bool of(bool value, bool update) { return value || update; }
};
// NaN wins, whichever side it is on.
struct Larger {
  template <typename T>
  static T of(T value, T update) {
    return update > value || update != update ? update : value;
  }
};

template <typename T, typename Op>
void scatter_columns(const CopyCall& walk, const Places& places, T* result, const T* updates, std::int64_t begin,
                     std::int64_t end) {
  const int last = walk.axes - 1;
  const std::int64_t from_stride = walk.from_strides[last], to_stride = walk.to_strides[last];
  const std::int64_t count = rows_of(walk.shape, walk.axes);
  Rows rows(walk, places, 0);
  rows.each(count, [&](std::int64_t source, std::int64_t target, std::int64_t place) {
    T* to = result + target + place;
    const T* from = updates + source;
    if (from_stride == 1 && to_stride == 1) {
      for (std::int64_t i = begin; i < end; ++i) to[i] = Op::of(to[i], from[i]);
    } else {
      for (std::int64_t i = begin; i < end; ++i) to[i * to_stride] = Op::of(to[i * to_stride], from[i * from_stride]);
    }
  });
}

template <typename T, typename Op>
void scatter_rows(const CopyCall& walk, const Places& places, T* to, const T* from) {
  const std::int64_t columns = walk.shape[walk.axes - 1];
  const std::int64_t rows = rows_of(walk.shape, walk.axes);
  // Every thread goes over all rows: a share of columns must be worth that.
  std::int64_t grain = bytes_a_range / static_cast<std::int64_t>(sizeof(T)) / (rows + 1) + 1;
  grain = (grain > least_columns ? grain : least_columns);
  parallel_for(static_cast<std::size_t>(columns), static_cast<std::size_t>(grain),
               [&](std::size_t begin, std::size_t end) {
                 scatter_columns<T, Op>(walk, places, to, from, static_cast<std::int64_t>(begin),
                                        static_cast<std::int64_t>(end));
               });
}

template <typename T>
void scatter_of(const CopyCall& walk, const Places& places, Scatter mode) {
  T* to = reinterpret_cast<T*>(walk.to);
  const T* from = reinterpret_cast<const T*>(walk.from);
  switch (mode) {
    case Scatter::update: scatter_rows<T, Put>(walk, places, to, from); break;
    case Scatter::add: scatter_rows<T, Add>(walk, places, to, from); break;
    case Scatter::max: scatter_rows<T, Larger>(walk, places, to, from); break;
  }
}

template <typename T>
void scatter_signed(const CopyCall& walk, const Places& places, Scatter mode) {
  if (mode == Scatter::max) return scatter_of<T>(walk, places, mode);
  scatter_of<std::make_unsigned_t<T>>(walk, places, mode);
}

// Sums of 16-bit floats: the whole result in float32, rounded at the end.
template <typename T16>
void add_halves(const CopyCall& walk, const Places& places, std::int64_t total) {
  auto* wide = static_cast<float*>(scratch(Scratch::other, static_cast<std::size_t>(total) * sizeof(float)));
  T16* to = reinterpret_cast<T16*>(walk.to);
  const T16* from = reinterpret_cast<const T16*>(walk.from);
  for (std::int64_t i = 0; i < total; ++i) wide[i] = widen(to[i]);
  const int last = walk.axes - 1;
  Rows rows(walk, places, 0);
  rows.each(rows_of(walk.shape, walk.axes), [&](std::int64_t source, std::int64_t target, std::int64_t place) {
    for (std::int64_t i = 0; i < walk.shape[last]; ++i) {
      wide[target + place + i * walk.to_strides[last]] += widen(from[source + i * walk.from_strides[last]]);
    }
  });
  for (std::int64_t i = 0; i < total; ++i) narrow(wide[i], to[i]);
}

// Halves keep their order when compared as float32; nothing is rounded.
template <typename T16>
void larger_halves(const CopyCall& walk, const Places& places) {
  const int last = walk.axes - 1;
  Rows rows(walk, places, 0);
  rows.each(rows_of(walk.shape, walk.axes), [&](std::int64_t source, std::int64_t target, std::int64_t place) {
    T16* to = reinterpret_cast<T16*>(walk.to) + target + place;
    const T16* from = reinterpret_cast<const T16*>(walk.from) + source;
    for (std::int64_t i = 0; i < walk.shape[last]; ++i) {
      T16& value = to[i * walk.to_strides[last]];
      const T16 update = from[i * walk.from_strides[last]];
      const float one = widen(value), two = widen(update);
      if (two > one || two != two) value = update;
    }
  });
}

template <typename T16>
void scatter_halves(const ScatterCall& call, const CopyCall& walk, const Places& places) {
  switch (call.mode) {
    case Scatter::update: scatter_of<std::uint16_t>(walk, places, call.mode); break;
    case Scatter::add: add_halves<T16>(walk, places, call.total); break;
    case Scatter::max: larger_halves<T16>(walk, places); break;
  }
}

void scatter(const ScatterCall& call) {
  CopyCall walk = call.walk;
  Places places = call.places;
  if (!has_rows(walk, places)) make_rows(walk, places);
  switch (call.dtype) {
    case Dtype::boolean: scatter_of<bool>(walk, places, call.mode); break;
    case Dtype::uint8: scatter_of<std::uint8_t>(walk, places, call.mode); break;
    case Dtype::uint16: scatter_of<std::uint16_t>(walk, places, call.mode); break;
    case Dtype::uint32: scatter_of<std::uint32_t>(walk, places, call.mode); break;
    case Dtype::uint64: scatter_of<std::uint64_t>(walk, places, call.mode); break;
    case Dtype::int8: scatter_signed<std::int8_t>(walk, places, call.mode); break;
    case Dtype::int16: scatter_signed<std::int16_t>(walk, places, call.mode); break;
    case Dtype::int32: scatter_signed<std::int32_t>(walk, places, call.mode); break;
    case Dtype::int64: scatter_signed<std::int64_t>(walk, places, call.mode); break;
    case Dtype::float16: scatter_halves<Half>(call, walk, places); break;
    case Dtype::bfloat16: scatter_halves<Bfloat>(call, walk, places); break;
    case Dtype::float32: scatter_of<float>(walk, places, call.mode); break;
    case Dtype::float64: scatter_of<double>(walk, places, call.mode); break;
  }
}

}  // namespace

void fill_gather(MovingKernels& table);
void fill_gather(MovingKernels& table) {
  table.gather = gather;
  table.scatter = scatter;
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
