// Sums over taps as products of matrices, without building them: rows of A are runs of numbers of the image, read in
// place (or from a copy of a few rows with zeros at their sides), rows of B are rows of the kernel.
#include "../scratch.hpp"
#include "../thread_pool.hpp"
#include "conv_strip.hpp"
#include "conv_sum.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

// Rows of weights that stay in the first cache while a task's positions pass by.
constexpr i64 cached_weights = 24 * 1024;
// Input of one task: what it copies is still in the first cache when it is read.
constexpr i64 task_input = 24 * 1024;

template <class T>
class Direct {
 public:
  explicit Direct(const TapSum& call) : c_(call) {
    const TapAxis &d = c_.axis[0], &h = c_.axis[1], &w = c_.axis[2];
    copy_ = reads_pads(w);
    one_run_ = taps_are_one_run(c_) && w.taps > 0;
    row_runs_ = one_run_ ? 1 : w.taps;
    length_ = one_run_ ? w.taps * c_.x_channels : c_.x_channels;
    runs_ = d.taps * h.taps * row_runs_;
    choose_tasks();
    vectors_ = divide_up(c_.y_channels, Simd<T>::lanes);
    cut_ = best_cut(cols_, vectors_);
    packed_ = !weights_in_place();
  }

  void run() {
    if (packed_) pack();
    const i64 tasks = c_.images * c_.axis[0].out * high_ * wide_;
    parallel_for(static_cast<std::size_t>(tasks), 1, [&](std::size_t begin, std::size_t end) {
      const std::size_t lists = static_cast<std::size_t>(c_.axis[0].taps) * sizeof(i64) + static_cast<std::size_t>(runs_) * sizeof(Run);
      i64* depth = static_cast<i64*>(scratch(Scratch::other, lists + 64));
      Run* runs = reinterpret_cast<Run*>(depth + c_.axis[0].taps);
      T* buffer = nullptr;
      if (copy_) buffer = static_cast<T*>(scratch(Scratch::window, static_cast<std::size_t>(strip_size(c_, rows_, cols_)) * sizeof(T) + 64));
      for (std::size_t i = begin; i < end; ++i) task(region(static_cast<i64>(i)), buffer, depth, runs);
    });
  }

 private:
  void choose_tasks() {
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    const i64 item = sizeof(T);
    const i64 column = most(w.in_stride * item * least(w.step, 4), 1);
    cols_ = w.out;
    if (cols_ * column > 2 * task_input) cols_ = most(task_input / column, 4 * tallest_block);
    wide_ = divide_up(w.out, cols_);
    cols_ = divide_up(w.out, wide_);
    rows_ = least(h.out, most(task_input / (cols_ * column), 4));
    const i64 others = c_.images * c_.axis[0].out * wide_, wanted = 4 * num_threads();
    if (num_threads() > 1 && others * divide_up(h.out, rows_) < wanted) {
      rows_ = most(divide_up(h.out * others, wanted), least(rows_, 2));
    }
    high_ = divide_up(h.out, rows_);
    rows_ = divide_up(h.out, high_);
  }

  // Rows of the kernel are rows of B as they stand: used in place unless a column of panels would skip through them.
  bool weights_in_place() const {
    const TapAxis& w = c_.axis[2];
    if (c_.weight_y != 1 || c_.y_channels % Simd<T>::lanes != 0) return false;
    for (i64 t = 1; one_run_ && t < w.taps; ++t) {
      if (w.weight[t] - w.weight[t - 1] != c_.x_channels * c_.weight_x) return false;
    }
    const i64 positions = c_.images * c_.axis[0].out * c_.axis[1].out * c_.axis[2].out;
    return cut_.panels == 1 || positions < 8 * tallest_block;
  }

  Region region(i64 i) const {
    const i64 x = i % wide_, y = i / wide_ % high_, z = i / (wide_ * high_);
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    return {z / c_.axis[0].out, z % c_.axis[0].out, part_begin(h.out, high_, y), part_begin(h.out, high_, y + 1),
            part_begin(w.out, wide_, x), part_begin(w.out, wide_, x + 1)};
  }

  // Panels of whole vectors, one after the other; the rows of a panel are in the order of the runs.
  void pack() {
    const i64 lanes = Simd<T>::lanes, rows = runs_ * length_, panels = c_.groups * cut_.panels;
    T* to = static_cast<T*>(scratch(Scratch::pack_b, static_cast<std::size_t>(c_.groups * rows * vectors_ * lanes) * sizeof(T) + 64));
    packed_weights_ = to;
    const i64 taps = c_.axis[0].taps * c_.axis[1].taps * c_.axis[2].taps;
    const i64 grain = taps == 0 ? 1 : most(1, 16384 / most(1, c_.x_channels * vectors_ / cut_.panels * lanes));
    parallel_for(static_cast<std::size_t>(panels * taps), static_cast<std::size_t>(grain), [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        const i64 tap = static_cast<i64>(i) % taps, panel = static_cast<i64>(i) / taps;
        pack_tap(to, panel / cut_.panels, panel % cut_.panels, tap);
      }
    });
  }

  void pack_tap(T* to, i64 group, i64 panel, i64 tap) const {
    const i64 lanes = Simd<T>::lanes, rows = runs_ * length_;
    const i64 v0 = part_begin(vectors_, cut_.panels, panel), v1 = part_begin(vectors_, cut_.panels, panel + 1);
    const i64 width = (v1 - v0) * lanes, columns = least(width, c_.y_channels - v0 * lanes);
    const TapAxis &d = c_.axis[0], &h = c_.axis[1], &w = c_.axis[2];
    const i64 place = d.weight[tap / w.taps / h.taps] + h.weight[tap / w.taps % h.taps] + w.weight[tap % w.taps];
    const T* from = static_cast<const T*>(c_.weights) + place + group * c_.weight_group + v0 * lanes * c_.weight_y;
    to += group * rows * vectors_ * lanes + v0 * lanes * rows + tap * c_.x_channels * width;
    if (c_.weight_y == 1) {
      for (i64 k = 0; k < c_.x_channels; ++k) {
        std::memcpy(to + k * width, from + k * c_.weight_x, static_cast<std::size_t>(columns) * sizeof(T));
        std::memset(to + k * width + columns, 0, static_cast<std::size_t>(width - columns) * sizeof(T));
      }
      return;
    }
    for (i64 f = 0; f < width; ++f) {
      for (i64 k = 0; k < c_.x_channels; ++k) to[k * width + f] = f < columns ? from[k * c_.weight_x + f * c_.weight_y] : T(0);
    }
  }

  void task(const Region& r, T* buffer, i64* depth, Run* runs) const {
    const Strip<T> strip = take_strip<T>(c_, r, buffer, depth);
    for (i64 g = 0; g < c_.groups; ++g) {
      for (i64 p = 0; p < cut_.panels; ++p) panel(r, strip, g, p, runs);
    }
    finish_rows(c_, r.image, r.d, r.h0, r.h1, r.w0, r.w1);
  }

  void panel(const Region& r, const Strip<T>& strip, i64 group, i64 number, Run* runs) const {
    const i64 lanes = Simd<T>::lanes;
    const i64 v0 = part_begin(vectors_, cut_.panels, number), v1 = part_begin(vectors_, cut_.panels, number + 1);
    Panel p;
    p.vectors = static_cast<int>(v1 - v0);
    p.last = static_cast<int>(least(lanes, c_.y_channels - (v1 - 1) * lanes));
    if (packed_) {
      p.row = p.vectors * lanes;
      p.weights = packed_weights_ + group * runs_ * length_ * vectors_ * lanes + v0 * lanes * runs_ * length_;
    } else {
      p.row = c_.weight_x;
      p.weights = static_cast<const T*>(c_.weights) + group * c_.weight_group + v0 * lanes;
    }
    p.y = static_cast<T*>(c_.y) + r.image * c_.y_image + r.d * c_.axis[0].out_stride + c_.y_first + group * c_.y_channels + v0 * lanes;
    p.x = strip.base + group * c_.x_channels;
    const i64 most_rows = most(cached_weights / (p.row * static_cast<i64>(sizeof(T))), 16);
    const i64 pieces = divide_up(length_, most(most_rows, 1));
    const i64 together = pieces > 1 ? 1 : most(most_rows / most(length_, 1), 1);
    bool add = false;
    for (i64 first = 0; first < runs_ || !add; first += together) {
      for (i64 i = 0; i < most(pieces, 1); ++i) {
        p.begin = part_begin(length_, most(pieces, 1), i);
        p.length = part_begin(length_, most(pieces, 1), i + 1) - p.begin;
        rows(r, strip, p, first, least(first + together, runs_), runs, add);
        add = true;
      }
    }
  }

  struct Panel {
    const T* weights;
    const T* x;
    T* y;
    i64 row, begin, length;
    int vectors, last;
  };

  // All positions of the region for runs [first, end).
  void rows(const Region& r, const Strip<T>& strip, const Panel& p, i64 first, i64 end, Run* runs, bool add) const {
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    const i64 width = r.w1 - r.w0, heights = least(cut_.heights, width);
    const int low = static_cast<int>(width / heights);
    const DotBlock<T> small = dot_block<T>(low, p.vectors);
    const DotBlock<T> large = width % heights == 0 ? small : dot_block<T>(low + 1, p.vectors);
    const i64 pixel = w.step * strip.pixel;
    i64 t0 = -1, t1 = -1, count = 0;
    for (i64 oh = r.h0; oh < r.h1; ++oh) {
      i64 begin = 0, until = h.taps;
      while (begin < until && oh * h.step + h.offset[begin] < 0) ++begin;
      while (until > begin && oh * h.step + h.offset[until - 1] >= h.in) --until;
      if (begin != t0 || until != t1) {
        count = list_runs(strip, p.row, first, end, begin, until, runs);
        t0 = begin;
        t1 = until;
      }
      const T* x = p.x + strip.origin + oh * h.step * strip.row_stride + r.w0 * pixel + p.begin;
      T* y = p.y + oh * h.out_stride + r.w0 * w.out_stride;
      for (i64 b = 0; b < heights; ++b) {
        const i64 from = part_begin(width, heights, b), height = part_begin(width, heights, b + 1) - from;
        (height == low ? small : large)(x + from * pixel, pixel, runs, count, p.length, p.weights + p.begin * p.row, p.row,
                                        y + from * w.out_stride, w.out_stride, p.last, add);
      }
    }
  }

  // Of runs [first, end), those of depth and row taps that are inside of the image.
  i64 list_runs(const Strip<T>& strip, i64 w_row, i64 first, i64 end, i64 t0, i64 t1, Run* runs) const {
    const TapAxis &d = c_.axis[0], &h = c_.axis[1], &w = c_.axis[2];
    i64 count = 0;
    for (i64 i = first; i < end; ++i) {
      const i64 tw = i % row_runs_, th = i / row_runs_ % h.taps, td = i / (row_runs_ * h.taps);
      if (strip.depth[td] < 0 || th < t0 || th >= t1) continue;
      const i64 place = packed_ ? i * length_ * w_row : d.weight[td] + h.weight[th] + w.weight[tw];
      runs[count++] = {strip.depth[td] + h.offset[th] * strip.row_stride + w.offset[tw] * strip.pixel, place};
    }
    return count;
  }

  const TapSum& c_;
  bool copy_, one_run_, packed_;
  i64 row_runs_;       // runs for one tap of depth and rows
  i64 length_, runs_;  // numbers of a run; runs for one position
  i64 rows_, cols_;    // of a task, at most
  i64 high_, wide_;    // tasks along rows and columns
  i64 vectors_;
  Cut cut_;
  const T* packed_weights_ = nullptr;
};

}  // namespace

template <class T>
void sum_direct(const TapSum& c) {
  Direct<T>(c).run();
}
template void sum_direct<float>(const TapSum&);
template void sum_direct<double>(const TapSum&);

}  // namespace KERASISH_ISA
}  // namespace kerasish
