// Gradients of kernels as products of matrices: rows of the kernel (a run of numbers of the image at each position)
// times rows of y. Positions are summed in a fixed order: by part, and parts in order.
#include "../scratch.hpp"
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
    choose_chunks();
    choose_parts();
  }

  void run() {
    const i64 size = c_.groups * taps() * c_.x_channels * line_;
    const bool direct = parts_ == 1 && !copy_y_;
    T* out = static_cast<T*>(c_.weights);
    T* sums = direct ? out : static_cast<T*>(scratch(Scratch::pack_b, static_cast<std::size_t>(parts_ * size) * sizeof(T) + 64));
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

  void choose_chunks() {
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    const i64 item = sizeof(T), y_pixel = copy_y_ ? c_.groups * line_ : w.out_stride;
    const i64 column = most((w.in_stride * least(w.step, 4) * least(h.step, 4) + y_pixel) * item, 1);
    cols_ = w.out;
    if (cols_ * column > chunk_bytes) cols_ = most(chunk_bytes / column, 128);
    wide_ = divide_up(w.out, cols_);
    cols_ = divide_up(w.out, wide_);
    rows_ = least(h.out, most(chunk_bytes / (cols_ * column), divide_up(64, cols_)));
    high_ = divide_up(h.out, rows_);
    rows_ = divide_up(h.out, high_);
    chunks_ = c_.images * c_.axis[0].out * high_ * wide_;
  }

  // Parts of the positions, each with its own sums, or shares of the kernel: rows of taps in one group.
  void choose_parts() {
    const i64 bytes = c_.groups * taps() * c_.x_channels * line_ * static_cast<i64>(sizeof(T));
    const i64 threads = num_threads(), units = c_.groups * c_.axis[0].taps * c_.axis[1].taps;
    if (threads == 1) return;
    if (bytes <= small_kernel || units < threads) {
      parts_ = most(1, least(chunks_, bytes <= small_kernel ? 2 * threads : threads));
    } else {
      shares_ = least(units, 2 * threads);
    }
  }

  Region region(i64 i) const {
    const i64 x = i % wide_, y = i / wide_ % high_, z = i / (wide_ * high_);
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    return {z / c_.axis[0].out, z % c_.axis[0].out, part_begin(h.out, high_, y), part_begin(h.out, high_, y + 1),
            part_begin(w.out, wide_, x), part_begin(w.out, wide_, x + 1)};
  }

  // The sums of one part of the positions for one share of the kernel.
  void share(T* sums, i64 part, i64 number) const {
    const i64 units = c_.groups * c_.axis[0].taps * c_.axis[1].taps;
    const i64 u0 = part_begin(units, shares_, number), u1 = part_begin(units, shares_, number + 1);
    clear(sums, u0, u1);
    T* x_copy = nullptr;
    T* y_copy = nullptr;
    const i64 x_size = copy_ ? strip_size(c_, rows_, cols_) : 0;
    if (copy_ || copy_y_) {
      const i64 y_size = copy_y_ ? rows_ * cols_ * c_.groups * line_ : 0;
      T* block = static_cast<T*>(scratch(Scratch::window, static_cast<std::size_t>(x_size + y_size + 16) * sizeof(T)));
      if (copy_) x_copy = block;
      if (copy_y_) y_copy = block + divide_up(x_size, 16) * 16;
    }
    i64* depth = static_cast<i64*>(scratch(Scratch::other, static_cast<std::size_t>(c_.axis[0].taps) * sizeof(i64) + 64));
    const i64 c0 = part_begin(chunks_, parts_, part), c1 = part_begin(chunks_, parts_, part + 1);
    for (i64 i = c0; i < c1; ++i) {
      const Region r = region(i);
      const Strip<T> strip = take_strip<T>(c_, r, x_copy, depth);
      Lines lines = lines_of(r, y_copy);
      for (i64 u = u0; u < u1; ++u) unit(sums, r, strip, lines, u);
    }
  }

  // Rows of the kernel of unit u: group, depth tap, row tap.
  T* rows_of(T* sums, i64 u) const {
    const i64 rows = c_.axis[0].taps * c_.axis[1].taps;
    return sums + u / rows * out_group_ + u % rows * c_.axis[2].taps * c_.x_channels * out_row_;
  }

  void clear(T* sums, i64 u0, i64 u1) const {
    const i64 rows = c_.axis[2].taps * c_.x_channels;
    const i64 width = copy_y_ || out_row_ == line_ ? line_ : c_.y_channels;
    for (i64 u = u0; u < u1; ++u) {
      T* to = rows_of(sums, u);
      for (i64 k = 0; k < rows; ++k) std::memset(to + k * out_row_, 0, static_cast<std::size_t>(width) * sizeof(T));
    }
  }

  // The region's part of y: in place, or copied with its channels filled up to whole vectors.
  struct Lines {
    const T* base;
    i64 row, pixel, group;
  };
  Lines lines_of(const Region& r, T* copy) const {
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    const T* y = static_cast<const T*>(c_.y) + r.image * c_.y_image + r.d * c_.axis[0].out_stride + c_.y_first +
                 r.h0 * h.out_stride + r.w0 * w.out_stride;
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

  void unit(T* sums, const Region& r, const Strip<T>& strip, const Lines& lines, i64 u) const {
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    const i64 th = u % h.taps, td = u / h.taps % c_.axis[0].taps, group = u / (h.taps * c_.axis[0].taps);
    if (strip.depth[td] < 0) return;
    i64 begin = r.h0, end = r.h1;
    while (begin < end && begin * h.step + h.offset[th] < 0) ++begin;
    while (end > begin && (end - 1) * h.step + h.offset[th] >= h.in) --end;
    if (begin == end) return;
    const i64 pixel = w.step * strip.pixel, row = h.step * strip.row_stride;
    const T* x = strip.base + strip.origin + strip.depth[td] + begin * row + h.offset[th] * strip.row_stride +
                 r.w0 * pixel + group * c_.x_channels;
    const T* y = lines.base + (begin - r.h0) * lines.row + group * lines.group;
    T* out = rows_of(sums, u);
    for (i64 t = 0; t < row_runs_; ++t) {
      const T* from = x + w.offset[t] * strip.pixel;
      for (i64 b = 0; b < cut_.heights; ++b) {
        const i64 k0 = part_begin(length_, cut_.heights, b), height = part_begin(length_, cut_.heights, b + 1) - k0;
        for (i64 p = 0; p < cut_.panels; ++p) {
          const i64 v0 = part_begin(vectors_, cut_.panels, p), v1 = part_begin(vectors_, cut_.panels, p + 1);
          outer_block<T>(static_cast<int>(height), static_cast<int>(v1 - v0))(
              from + k0, pixel, row, y + v0 * Simd<T>::lanes, lines.pixel, lines.row, end - begin, r.w1 - r.w0,
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
  i64 vectors_, line_;  // vectors of one group's channels of y; their numbers
  Cut cut_;
  i64 rows_, cols_, high_, wide_, chunks_;
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
