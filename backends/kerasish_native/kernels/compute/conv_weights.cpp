// Gradients of kernels as products of matrices: rows of the kernel (a run of numbers of the image at each position)
// times rows of y. Positions are summed in a fixed order: by part, and parts in order.
#include "../thread_pool.hpp"
#include "conv_strip.hpp"
#include "conv_sum.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

// What a chunk of positions reads of x and of y: both stay in the first cache while all blocks of the kernel pass by.
constexpr i64 chunk_bytes = 40 * 1024;
// A kernel up to this size may have several copies, one for each part of the positions.
constexpr i64 small_kernel = 512 * 1024;

template <class T>
class Weights {
 public:
  explicit Weights(const TapSum& call) : c_(call) {
    const TapAxis& w = c_.axis[2];
    copy_ = reads_pads(w);
    one_run_ = taps_are_one_run(c_) && w.taps > 0;
    row_runs_ = one_run_ ? 1 : w.taps;
    length_ = one_run_ ? w.taps * c_.x_channels : c_.x_channels;
    vectors_ = divide_up(c_.y_channels, Simd<T>::lanes);
    line_ = vectors_ * Simd<T>::lanes;
    copy_y_ = line_ != c_.y_channels;
    cut_ = best_cut(length_, vectors_);
    stacked_ = stack_width();
    grid_ = chunks();
    choose_parts();
  }

  void run() {
    const i64 size = c_.groups * taps() * c_.x_channels * line_;
    const bool direct = parts_ == 1 && !copy_y_;
    T* out = static_cast<T*>(c_.weights);
    T* sums = direct ? out : workspace<T>(Scratch::pack_b, parts_ * size);
    out_row_ = direct ? c_.groups * c_.y_channels : line_;
    out_group_ = direct ? c_.y_channels : taps() * c_.x_channels * line_;
    parallel_for(static_cast<std::size_t>(parts_ * shares_), 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        const i64 part = static_cast<i64>(i) / shares_;
        share(sums + part * size, part, static_cast<i64>(i) % shares_);
      }
    });
    if (!direct) combine(sums, size);
  }

 private:
  i64 taps() const { return c_.axis[0].taps * c_.axis[1].taps * c_.axis[2].taps; }

  // Vectors of a block of three row taps: none where one row tap has sums enough to hide their latency.
  i64 stack_width() const {
    if (!one_run_ || c_.axis[1].taps != stack_height || length_ * divide_up(vectors_, cut_.panels) >= 8) return 0;
    i64 width = 0;
    for (i64 v = 1; v <= least(block_vectors, vectors_); ++v) {
      if (stack_height * length_ <= block_height[v - 1]) width = v;
    }
    return width;
  }

  Grid chunks() const {
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    const i64 item = sizeof(T), y_pixel = copy_y_ ? c_.groups * line_ : w.out_stride;
    const i64 column = most((w.in_stride * least(w.step, 4) * least(h.step, 4) + y_pixel) * item, 1);
    const i64 cols = w.out * column > chunk_bytes ? most(chunk_bytes / column, 128) : w.out;
    const i64 width = divide_up(w.out, divide_up(w.out, cols));
    return Grid(c_, least(h.out, most(chunk_bytes / (width * column), divide_up(64, width))), cols);
  }

  // Parts of the positions, each with its own sums, or shares of the kernel: rows of taps in one group.
  void choose_parts() {
    const i64 bytes = c_.groups * taps() * c_.x_channels * line_ * static_cast<i64>(sizeof(T));
    const i64 threads = num_threads(), units = c_.groups * c_.axis[0].taps * c_.axis[1].taps;
    if (threads == 1) return;
    if (bytes <= small_kernel || units < threads) {
      parts_ = most(1, least(grid_.count, bytes <= small_kernel ? 2 * threads : threads));
    } else {
      shares_ = least(units, 2 * threads);
    }
  }

  // The sums of one part of the positions for one share of the kernel.
  void share(T* sums, i64 part, i64 number) const {
    const i64 all = c_.groups * c_.axis[0].taps * c_.axis[1].taps;
    const i64 u0 = part_begin(all, shares_, number), u1 = part_begin(all, shares_, number + 1);
    clear(sums, u0, u1);
    const i64 x_size = copy_ ? divide_up(strip_size(c_, grid_.rows, grid_.cols), 16) * 16 : 0;
    const i64 y_size = copy_y_ ? grid_.rows * grid_.cols * c_.groups * line_ : 0;
    T* space = workspace<T>(Scratch::window, x_size + y_size);
    i64* depth = workspace<i64>(Scratch::other, c_.axis[0].taps);
    const i64 c0 = part_begin(grid_.count, parts_, part), c1 = part_begin(grid_.count, parts_, part + 1);
    for (i64 i = c0; i < c1; ++i) {
      const Region r = grid_.at(c_, i);
      const Strip<T> strip = take_strip<T>(c_, r, copy_ ? space : nullptr, depth);
      const Lines lines = lines_of(r, copy_y_ ? space + x_size : nullptr);
      units(sums, r, strip, lines, u0, u1);
    }
  }

  // Rows of the kernel of unit u: group, depth tap, row tap.
  T* rows_of(T* sums, i64 u) const {
    const i64 rows = c_.axis[0].taps * c_.axis[1].taps;
    return sums + u / rows * out_group_ + u % rows * c_.axis[2].taps * c_.x_channels * out_row_;
  }

  void clear(T* sums, i64 u0, i64 u1) const {
    const i64 rows = c_.axis[2].taps * c_.x_channels;
    for (i64 u = u0; u < u1; ++u) {
      T* to = rows_of(sums, u);
      for (i64 k = 0; k < rows; ++k) std::memset(to + k * out_row_, 0, static_cast<std::size_t>(line_) * sizeof(T));
    }
  }

  // The region's part of y: in place, or copied with its channels filled up to whole vectors.
  struct Lines {
    const T* base;
    i64 row, pixel, group;
  };
  Lines lines_of(const Region& r, T* copy) const {
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    const T* y = y_at<T>(c_, r.image, r.d, r.h0, r.w0);
    if (copy == nullptr) return {y, h.out_stride, w.out_stride, c_.y_channels};
    const i64 pixel = c_.groups * line_, row = (r.w1 - r.w0) * pixel;
    for (i64 i = 0; i < r.h1 - r.h0; ++i) {
      for (i64 j = 0; j < r.w1 - r.w0; ++j) {
        for (i64 g = 0; g < c_.groups; ++g) {
          const T* from = y + i * h.out_stride + j * w.out_stride + g * c_.y_channels;
          T* to = copy + i * row + j * pixel + g * line_;
          i64 f = 0;
          for (; f < c_.y_channels; ++f) to[f] = from[f];
          for (; f < line_; ++f) to[f] = T(0);
        }
      }
    }
    return {copy, row, pixel, line_};
  }

  // What positions [begin, end) x [r.w0, r.w1) read for depth tap td, and their part of y.
  struct Operands {
    Numbers<T> numbers;
    const T* y;
    i64 rows;
  };
  Operands operands(const Region& r, const Strip<T>& strip, const Lines& lines, i64 td, i64 th, i64 group, i64 begin,
                    i64 end) const {
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    const i64 pixel = w.step * strip.pixel, row = h.step * strip.row_stride;
    const T* x = strip.base + strip.origin + strip.depth[td] + begin * row + h.offset[th] * strip.row_stride +
                 r.w0 * pixel + group * c_.x_channels;
    const i64 stack = h.taps > 1 ? (h.offset[1] - h.offset[0]) * strip.row_stride : 0;
    return {{x, pixel, row, stack}, lines.base + (begin - r.h0) * lines.row + group * lines.group, end - begin};
  }

  // Units [u0, u1) of the kernel. Where all three row taps of a unit's group and depth have a position, together.
  void units(T* sums, const Region& r, const Strip<T>& strip, const Lines& lines, i64 u0, i64 u1) const {
    const TapAxis &d = c_.axis[0], &h = c_.axis[1];
    for (i64 u = u0; u < u1; ++u) {
      const i64 th = u % h.taps, td = u / h.taps % d.taps, group = u / (h.taps * d.taps);
      if (strip.depth[td] < 0) continue;
      i64 begin = r.h0, end = r.h1;
      if (!stacked_ || u - th < u0 || u - th + stack_height > u1) {
        unit(sums, r, strip, lines, u, begin, end);
        continue;
      }
      for (i64 t = 0; t < stack_height; ++t) clip_positions(h, t, begin, end);
      if (begin == end) begin = end = r.h1;
      unit(sums, r, strip, lines, u, r.h0, begin);
      if (th == 0 && begin < end) stack(sums, r, lines, operands(r, strip, lines, td, 0, group, begin, end), u);
      unit(sums, r, strip, lines, u, end, r.h1);
    }
  }

  void stack(T* sums, const Region& r, const Lines& lines, Operands o, i64 u) const {
    const i64 panels = divide_up(vectors_, stacked_);
    o.numbers.x += c_.axis[2].offset[0] * c_.axis[2].in_stride;
    for (i64 p = 0; p < panels; ++p) {
      const i64 v0 = part_begin(vectors_, panels, p), v1 = part_begin(vectors_, panels, p + 1);
      stacked_outer_block<T>(static_cast<int>(length_), static_cast<int>(v1 - v0))(
          o.numbers, o.y + v0 * Simd<T>::lanes, lines.pixel, lines.row, o.rows, r.w1 - r.w0,
          rows_of(sums, u) + v0 * Simd<T>::lanes, out_row_);
    }
  }

  // Rows [begin, end) of the region for one unit.
  void unit(T* sums, const Region& r, const Strip<T>& strip, const Lines& lines, i64 u, i64 begin, i64 end) const {
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    const i64 th = u % h.taps, td = u / h.taps % c_.axis[0].taps, group = u / (h.taps * c_.axis[0].taps);
    clip_positions(h, th, begin, end);
    if (begin >= end) return;
    const Operands o = operands(r, strip, lines, td, th, group, begin, end);
    T* out = rows_of(sums, u);
    for (i64 t = 0; t < row_runs_; ++t) {
      for (i64 b = 0; b < cut_.heights; ++b) {
        const i64 k0 = part_begin(length_, cut_.heights, b), height = part_begin(length_, cut_.heights, b + 1) - k0;
        Numbers<T> numbers = o.numbers;
        numbers.x += w.offset[t] * strip.pixel + k0;
        for (i64 p = 0; p < cut_.panels; ++p) {
          const i64 v0 = part_begin(vectors_, cut_.panels, p), v1 = part_begin(vectors_, cut_.panels, p + 1);
          outer_block<T>(static_cast<int>(height), static_cast<int>(v1 - v0))(
              numbers, o.y + v0 * Simd<T>::lanes, lines.pixel, lines.row, o.rows, r.w1 - r.w0,
              out + (t * length_ + k0) * out_row_ + v0 * Simd<T>::lanes, out_row_);
        }
      }
    }
  }

  void combine(const T* sums, i64 size) const {
    const i64 rows = taps() * c_.x_channels, filters = c_.groups * c_.y_channels;
    T* out = static_cast<T*>(c_.weights);
    parallel_for(static_cast<std::size_t>(rows), 64, [&](std::size_t begin, std::size_t end) {
      for (i64 k = static_cast<i64>(begin); k < static_cast<i64>(end); ++k) {
        for (i64 g = 0; g < c_.groups; ++g) {
          const T* from = sums + (g * rows + k) * line_;
          T* to = out + k * filters + g * c_.y_channels;
          for (i64 f = 0; f < c_.y_channels; ++f) {
            T total = from[f];
            for (i64 p = 1; p < parts_; ++p) total += from[p * size + f];
            to[f] = total;
          }
        }
      }
    });
  }

  const TapSum& c_;
  bool copy_, one_run_, copy_y_;
  i64 row_runs_, length_;
  i64 stacked_;  // vectors of a block of three row taps; 0: each row tap has blocks of its own
  i64 vectors_, line_;  // vectors of one group's channels of y; their numbers
  Cut cut_;
  Grid grid_;
  i64 parts_ = 1, shares_ = 1;
  i64 out_row_ = 0, out_group_ = 0;
};

}  // namespace

template <class T>
void weights_direct(const TapSum& c) {
  Weights<T>(c).run();
}
template void weights_direct<float>(const TapSum&);
template void weights_direct<double>(const TapSum&);

}  // namespace KERASISH_ISA
}  // namespace kerasish
