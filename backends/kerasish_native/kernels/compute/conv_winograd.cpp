// Three by three taps, four by four positions at a time: Winograd's minimal filtering (winograd.hpp).
//
// Over channels the products of transformed tiles are 36 products of matrices, (tiles, x channels) by (x channels,
// y channels). The gradient of the kernel is the adjoint, G' [sum over tiles of (B' d B) . (A Y A')] G: 36 products of
// (x channels, tiles) by (tiles, y channels). An infinity or NaN would spread over its tile: results with one in them
// are computed again, plainly.
#include "../thread_pool.hpp"
#include "conv_strip.hpp"
#include "conv_sum.hpp"
#include "winograd.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

// Transformed tiles of one task, of x and y together; the second cache holds them and the kernel.
constexpr i64 sum_bytes = 192 * 1024;
constexpr i64 weights_bytes = 448 * 1024;

// NaN in a lane that has met an infinity or NaN; zero in the others.
template <class V>
KERASISH_INLINE V blemish(const V& seen, const V& value) {
  return seen + (value - value);
}
template <class T>
KERASISH_INLINE bool any_nan(const typename Simd<T>::vector& v) {
  bool found = false;
  for (int i = 0; i < Simd<T>::lanes; ++i) found |= v[i] != v[i];
  return found;
}

// The tiles of an image. They may reach beyond its end, or leave a few positions over.
struct Tiling {
  i64 high, wide;
  i64 time;  // estimated cycles, without the transform of the kernel
};

// Estimated cycles of the plain sum for a number of positions.
i64 plain_time(const TapSum& c, i64 positions) {
  return positions * 9 * c.x_channels * divide_up(c.y_channels, f32_lanes) / 2;
}

// The transforms cost about a hundred cycles for each tile and vector of channels; positions that are left over cost
// more than others, being in thin regions.
Tiling tiling_of(const TapSum& c, i64 high, i64 wide) {
  const i64 x = divide_up(c.x_channels, f32_lanes), y = divide_up(c.y_channels, f32_lanes), tiles = high * wide;
  const i64 height = least(high * tile_out, c.axis[1].out), width = least(wide * tile_out, c.axis[2].out);
  const i64 rest = c.axis[1].out * c.axis[2].out - height * width;
  const i64 time = tiles * (components * c.x_channels * y / 2 + 100 * (x + y)) + plain_time(c, rest) * 3 / 2;
  return {high, wide, c.images * time};
}

Tiling covering_tiling(const TapSum& c) {
  return tiling_of(c, divide_up(c.axis[1].out, tile_out), divide_up(c.axis[2].out, tile_out));
}

Tiling best_tiling(const TapSum& c) {
  Tiling best = covering_tiling(c);
  for (i64 i = 1; i < 4; ++i) {
    const i64 high = c.axis[1].out / tile_out, wide = c.axis[2].out / tile_out;
    const Tiling other = tiling_of(c, i & 1 ? high : divide_up(c.axis[1].out, tile_out),
                                   i & 2 ? wide : divide_up(c.axis[2].out, tile_out));
    if (other.high > 0 && other.wide > 0 && other.time < best.time) best = other;
  }
  return best;
}

// Whether tiles are faster than the plain sum, transforms of the kernel included. One beyond the second cache is read
// again by each task.
bool pays(const TapSum& c, const Tiling& tiling) {
  const i64 products = c.x_channels * divide_up(c.y_channels, f32_lanes), kernel = components * products * 64;
  const i64 transforms = 100 * products + (kernel > 1 << 20 ? kernel / 4 : 0);
  return tiling.time + transforms < plain_time(c, c.images * c.axis[1].out * c.axis[2].out);
}

// Rows [h0, h1) and columns [w0, w1) of all images by the plain sum.
template <class T>
void sum_plainly(const TapSum& c, const Region& r) {
  TapSum part = c;
  const i64 begin[] = {0, r.h0, r.w0}, end[] = {c.axis[0].out, r.h1, r.w1};
  i64 offset[3][3];
  for (int i = 1; i < 3; ++i) {
    TapAxis& axis = part.axis[i];
    for (int t = 0; t < 3; ++t) offset[i][t] = axis.offset[t] + begin[i];
    axis.offset = offset[i];
    axis.out = end[i] - begin[i];
    part.y_first += begin[i] * axis.out_stride;
    part.begin[i] += begin[i];
  }
  sum_direct<T>(part);
}

// Tiles of one task: tile rows [begin, end), counted over all images, and tile columns [j0, j1).
struct Tiles {
  i64 begin, end, j0, j1;
  i64 count() const { return (end - begin) * (j1 - j0); }
};

template <class T>
class Winograd {
  using vector = typename Simd<T>::vector;
  static constexpr int lanes = Simd<T>::lanes;

 public:
  // `bytes`: of the transformed tiles of a task.
  Winograd(const TapSum& call, const Tiling& tiling, i64 bytes) : c_(call), high_(tiling.high), wide_(tiling.wide) {
    x_vectors_ = divide_up(c_.x_channels, lanes);
    y_vectors_ = divide_up(c_.y_channels, lanes);
    x_line_ = x_vectors_ * lanes;
    y_line_ = y_vectors_ * lanes;
    choose_tasks(most(bytes / (components * (x_line_ + y_line_) * static_cast<i64>(sizeof(T))), 16));
    // A cache line more than the tiles need: planes a power of two apart would meet in the same sets of the cache.
    const i64 line = 64 / static_cast<i64>(sizeof(T));
    x_plane_ = rows_ * cols_ * x_line_ + line;
    y_plane_ = rows_ * cols_ * y_line_ + line;
  }

  // Sums of all positions that the tiles reach; the others are left to sum_plainly.
  void sum() {
    cut_ = best_cut(rows_ * cols_, y_vectors_);
    pack();
    parallel_for(static_cast<std::size_t>(tasks()), 1, [&](std::size_t begin, std::size_t end) {
      const Space space = take_space();
      for (std::size_t i = begin; i < end; ++i) sum_task(tiles(static_cast<i64>(i)), space);
    });
  }

  // Returns whether all results are finite: if not, they are not the plain sum's.
  bool weights() {
    cut_ = best_cut(c_.x_channels, y_vectors_);
    const i64 size = components * c_.x_channels * y_line_;
    const i64 threads = num_threads();
    const i64 copies = size * static_cast<i64>(sizeof(T)) > 128 * 1024 ? threads : 2 * threads;
    const i64 parts = threads == 1 ? 1 : most(1, least(tasks(), copies));
    T* sums = workspace<T>(Scratch::pack_b, parts * size);
    parallel_for(static_cast<std::size_t>(parts), 1, [&](std::size_t begin, std::size_t end) {
      const Space space = take_space();
      for (i64 part = static_cast<i64>(begin); part < static_cast<i64>(end); ++part) {
        std::memset(sums + part * size, 0, static_cast<std::size_t>(size) * sizeof(T));
        for (i64 i = part_begin(tasks(), parts, part); i < part_begin(tasks(), parts, part + 1); ++i) {
          weights_task(tiles(i), space, sums + part * size);
        }
      }
    });
    return finish_weights(sums, parts, size);
  }

 private:
  struct Space {
    T* strip;
    T* x;  // transformed
    T* y;
  };

  void choose_tasks(i64 wanted) {
    cols_ = divide_up(wide_, divide_up(wide_, 2 * wanted));
    across_ = divide_up(wide_, cols_);
    const i64 all = c_.images * high_, threads = num_threads();
    rows_ = most(1, least(all, wanted / cols_));
    if (threads > 1) rows_ = most(1, least(rows_, all * across_ / (4 * threads)));
    down_ = divide_up(all, rows_);
    rows_ = divide_up(all, most(down_, 1));
  }

  i64 tasks() const { return down_ * across_; }

  Tiles tiles(i64 i) const {
    const i64 all = c_.images * high_;
    return {part_begin(all, down_, i / across_), part_begin(all, down_, i / across_ + 1),
            part_begin(wide_, across_, i % across_), part_begin(wide_, across_, i % across_ + 1)};
  }

  Space take_space() const {
    const i64 strip = (tile_out * rows_ + 2) * (tile_out * cols_ + 2) * x_line_;
    Space s;
    s.strip = workspace<T>(Scratch::window, most(strip, tile_out * tile_out * y_line_));
    s.x = workspace<T>(Scratch::transformed, components * (x_plane_ + y_plane_));
    s.y = s.x + components * x_plane_;
    return s;
  }

  // The transformed kernel, cut into the panels of `multiply`: component, panel, x channel, y channels of the panel.
  void pack() {
    T* to = workspace<T>(Scratch::pack_a, components * c_.x_channels * y_line_);
    kernel_ = to;
    parallel_for(static_cast<std::size_t>(c_.x_channels), 16, [&](std::size_t begin, std::size_t end) {
      for (i64 p = 0; p < cut_.panels; ++p) {
        const i64 v0 = part_begin(y_vectors_, cut_.panels, p), v1 = part_begin(y_vectors_, cut_.panels, p + 1);
        for (i64 v = v0; v < v1; ++v) {
          for (i64 k = static_cast<i64>(begin); k < static_cast<i64>(end); ++k) {
            T* place = to + v0 * lanes * c_.x_channels + k * (v1 - v0) * lanes + (v - v0) * lanes;
            pack_vector(k, v, place);
          }
        }
      }
    });
  }

  void pack_vector(i64 k, i64 v, T* to) const {
    const int count = static_cast<int>(least(lanes, c_.y_channels - v * lanes));
    const T* from = static_cast<const T*>(c_.weights) + c_.axis[0].weight[0];
    from += k * c_.weight_x + v * lanes * c_.weight_y;
    transform_kernel<T>(
        [&](int i, int j) {
          const T* tap = from + c_.axis[1].weight[i] + c_.axis[2].weight[j];
          if (c_.weight_y == 1) return load_some(tap, count);
          vector g{};
          for (int f = 0; f < count; ++f) g[f] = tap[f * c_.weight_y];
          return g;
        },
        to, c_.x_channels * y_line_);
  }

  // Calls body(image, first tile row in it, one past the last, number of the first tile) for each image of the tiles.
  template <class Body>
  void each_image(const Tiles& t, Body body) const {
    i64 number = 0;
    for (i64 row = t.begin; row < t.end;) {
      const i64 image = row / high_, i0 = row % high_, i1 = least(high_, i0 + t.end - row);
      body(image, i0, i1, number);
      number += (i1 - i0) * (t.j1 - t.j0);
      row += i1 - i0;
    }
  }

  void transform_x(const Tiles& t, const Space& space) const {
    each_image(t, [&](i64 image, i64 i0, i64 i1, i64 number) {
      copy_strip(image, i0, i1, t, space.strip);
      const i64 row = (tile_out * (t.j1 - t.j0) + 2) * x_line_;
      for (i64 i = i0; i < i1; ++i) {
        for (i64 j = t.j0; j < t.j1; ++j, ++number) {
          const T* from = space.strip + tile_out * ((i - i0) * row + (j - t.j0) * x_line_);
          T* to = space.x + number * x_line_;
          for (i64 v = 0; v < x_line_; v += lanes) transform_input(from + v, row, x_line_, to + v, x_plane_);
        }
      }
    });
  }

  // What the tiles of one image read, zeros where that is outside of it and in channels beyond the last.
  void copy_strip(i64 image, i64 i0, i64 i1, const Tiles& t, T* to) const {
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    const T* from = static_cast<const T*>(c_.x) + image * c_.x_image;
    const i64 begin = tile_out * t.j0 + w.offset[0], columns = tile_out * (t.j1 - t.j0) + 2, width = columns * x_line_;
    for (i64 r = tile_out * i0 + h.offset[0]; r < tile_out * i1 + h.offset[0] + 2; ++r, to += width) {
      if (r < 0 || r >= h.in) {
        std::memset(to, 0, static_cast<std::size_t>(width) * sizeof(T));
      } else if (x_line_ == w.in_stride) {
        copy_row(to, from + r * h.in_stride, w, begin, begin + columns);
      } else {
        for (i64 k = 0; k < columns; ++k) {
          const bool inside = begin + k >= 0 && begin + k < w.in;
          const T* pixel = from + r * h.in_stride + (begin + k) * w.in_stride;
          for (i64 v = 0; v < x_vectors_; ++v) {
            const int count = inside ? static_cast<int>(least(lanes, c_.x_channels - v * lanes)) : 0;
            store(to + k * x_line_ + v * lanes, count == 0 ? vector{} : load_some(pixel + v * lanes, count));
          }
        }
      }
    }
  }

  void sum_task(const Tiles& t, const Space& space) const {
    transform_x(t, space);
    multiply(t.count(), space);
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    each_image(t, [&](i64 image, i64 i0, i64 i1, i64 number) {
      vector seen{};
      for (i64 i = i0; i < i1; ++i) {
        for (i64 j = t.j0; j < t.j1; ++j, ++number) write_tile(image, i, j, space.y + number * y_line_, seen);
      }
      const i64 h1 = least(tile_out * i1, h.out), w1 = least(tile_out * t.j1, w.out);
      const Region r{image, 0, tile_out * i0, h1, tile_out * t.j0, w1};
      if (any_nan<T>(seen)) sum_again(r);
      finish_rows(c_, r.image, r.d, r.h0, r.h1, r.w0, r.w1);
    });
  }

  void multiply(i64 count, const Space& space) const {
    const i64 heights = least(cut_.heights, count);
    const Run run{0, 0};
    for (i64 k = 0; k < components; ++k) {
      for (i64 p = 0; p < cut_.panels; ++p) {
        const i64 v0 = part_begin(y_vectors_, cut_.panels, p), v1 = part_begin(y_vectors_, cut_.panels, p + 1);
        const T* w = kernel_ + k * c_.x_channels * y_line_ + v0 * lanes * c_.x_channels;
        for (i64 b = 0; b < heights; ++b) {
          const i64 from = part_begin(count, heights, b), height = part_begin(count, heights, b + 1) - from;
          dot_block<T>(static_cast<int>(height), static_cast<int>(v1 - v0))(
              space.x + k * x_plane_ + from * x_line_, x_line_, &run, 1, c_.x_channels, w, (v1 - v0) * lanes,
              space.y + k * y_plane_ + from * y_line_ + v0 * lanes, y_line_, lanes, false);
        }
      }
    }
  }

  KERASISH_INLINE void write_tile(i64 image, i64 i, i64 j, const T* m, vector& seen) const {
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    const i64 row = h.out_stride, pixel = w.out_stride;
    T* y = static_cast<T*>(c_.y) + c_.y_first + image * c_.y_image + tile_out * (i * row + j * pixel);
    const i64 rows = h.out - tile_out * i, cols = w.out - tile_out * j;  // that are left
    for (i64 v = 0; v < y_vectors_; ++v, m += lanes, y += lanes) {
      const int count = static_cast<int>(least(lanes, c_.y_channels - v * lanes));
      if (rows >= tile_out && cols >= tile_out && count == lanes) {
        transform_output<T>(m, y_plane_, [&](int a, int b, vector x) {
          seen = blemish(seen, x);
          store(y + a * row + b * pixel, x);
        });
      } else {
        transform_output<T>(m, y_plane_, [&](int a, int b, vector x) {
          seen = blemish(seen, x);
          if (a < rows && b < cols) store_some(y + a * row + b * pixel, x, count);
        });
      }
    }
  }

  // One image's region; its epilogue comes later.
  void sum_again(const Region& r) const {
    TapSum image = c_;
    image.images = 1;
    image.x = static_cast<T*>(c_.x) + r.image * c_.x_image;
    image.y = static_cast<T*>(c_.y) + r.image * c_.y_image;
    image.epilogue = {};
    sum_plainly<T>(image, r);
  }

  void transform_y(const Tiles& t, const Space& space) const {
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    T* patch = space.strip;
    each_image(t, [&](i64 image, i64 i0, i64 i1, i64 number) {
      const T* y = static_cast<const T*>(c_.y) + c_.y_first + image * c_.y_image;
      for (i64 i = i0; i < i1; ++i) {
        for (i64 j = t.j0; j < t.j1; ++j, ++number) {
          const T* from = y + tile_out * (i * h.out_stride + j * w.out_stride);
          i64 row = h.out_stride, pixel = w.out_stride;
          const i64 rows = least(tile_out, h.out - tile_out * i), cols = least(tile_out, w.out - tile_out * j);
          if (y_line_ != c_.y_channels || rows < tile_out || cols < tile_out) {
            fill_patch(from, rows, cols, patch);
            from = patch;
            row = tile_out * y_line_;
            pixel = y_line_;
          }
          T* to = space.y + number * y_line_;
          for (i64 v = 0; v < y_line_; v += lanes) transform_gradient(from + v, row, pixel, to + v, y_plane_);
        }
      }
    });
  }

  // A tile of y that the end of an image or of the channels cuts off, filled up with zeros.
  void fill_patch(const T* y, i64 rows, i64 cols, T* patch) const {
    std::memset(patch, 0, static_cast<std::size_t>(tile_out * tile_out * y_line_) * sizeof(T));
    for (i64 i = 0; i < rows; ++i) {
      for (i64 j = 0; j < cols; ++j) {
        std::memcpy(patch + (i * tile_out + j) * y_line_, y + i * c_.axis[1].out_stride + j * c_.axis[2].out_stride,
                    static_cast<std::size_t>(c_.y_channels) * sizeof(T));
      }
    }
  }

  void weights_task(const Tiles& t, const Space& space, T* sums) const {
    transform_x(t, space);
    transform_y(t, space);
    const i64 count = t.count();
    for (i64 k = 0; k < components; ++k) {
      T* out = sums + k * c_.x_channels * y_line_;
      for (i64 b = 0; b < cut_.heights; ++b) {
        const i64 c0 = part_begin(c_.x_channels, cut_.heights, b);
        const i64 height = part_begin(c_.x_channels, cut_.heights, b + 1) - c0;
        for (i64 p = 0; p < cut_.panels; ++p) {
          const i64 v0 = part_begin(y_vectors_, cut_.panels, p), v1 = part_begin(y_vectors_, cut_.panels, p + 1);
          outer_block<T>(static_cast<int>(height), static_cast<int>(v1 - v0))(
              {space.x + k * x_plane_ + c0, x_line_, 0, 0}, space.y + k * y_plane_ + v0 * lanes, y_line_, 0, 1, count,
              out + c0 * y_line_ + v0 * lanes, y_line_);
        }
      }
    }
  }

  bool finish_weights(const T* sums, i64 parts, i64 size) const {
    bool finite = true;
    T* out = static_cast<T*>(c_.weights) + c_.axis[0].weight[0];
    for (i64 k = 0; k < c_.x_channels; ++k) {
      vector seen{};
      for (i64 v = 0; v < y_vectors_; ++v) {
        const int count = static_cast<int>(least(lanes, c_.y_channels - v * lanes));
        transform_kernel_back<T>(
            [&](int i, int j) {
              const T* from = sums + ((i * tile_in + j) * c_.x_channels + k) * y_line_ + v * lanes;
              vector s = load(from);
              for (i64 p = 1; p < parts; ++p) s += load(from + p * size);
              return s;
            },
            [&](int i, int j, vector g) {
              seen = blemish(seen, g);
              store_some(out + c_.axis[1].weight[i] + c_.axis[2].weight[j] + k * c_.weight_x + v * lanes, g, count);
            });
      }
      finite &= !any_nan<T>(seen);
    }
    return finite;
  }

  const TapSum& c_;
  i64 high_, wide_;  // tiles of an image
  i64 x_vectors_, y_vectors_, x_line_, y_line_;
  i64 rows_, cols_;      // tiles of a task, at most
  i64 down_, across_;    // tasks
  i64 x_plane_, y_plane_;
  Cut cut_{1, 1};
  const T* kernel_ = nullptr;
};

bool three_neighbours(const TapAxis& a) {
  return a.taps == 3 && a.step == 1 && a.offset[1] == a.offset[0] + 1 && a.offset[2] == a.offset[1] + 1;
}

// Float32 only: who asks for float64 wants its digits.
bool fits_winograd(const TapSum& c) {
  const TapAxis &d = c.axis[0], &h = c.axis[1], &w = c.axis[2];
  if (c.dtype != Dtype::float32 || c.groups != 1) return false;
  if (d.in != 1 || d.out != 1 || d.taps != 1 || d.offset[0] != 0) return false;
  return three_neighbours(h) && three_neighbours(w);
}

}  // namespace

bool sum_winograd(const TapSum& c) {
  const Tiling tiling = best_tiling(c);
  if (!fits_winograd(c) || !pays(c, tiling)) return false;
  Winograd<float>(c, tiling, sum_bytes).sum();
  const i64 height = tiling.high * tile_out, width = tiling.wide * tile_out, rows = c.axis[1].out, cols = c.axis[2].out;
  if (width < cols) sum_plainly<float>(c, {0, 0, 0, least(height, rows), width, cols});
  if (height < rows) sum_plainly<float>(c, {0, 0, height, rows, 0, cols});
  return true;
}

bool weights_winograd(const TapSum& c) {
  const Tiling tiling = covering_tiling(c);
  return fits_winograd(c) && pays(c, tiling) && Winograd<float>(c, tiling, weights_bytes).weights();
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
