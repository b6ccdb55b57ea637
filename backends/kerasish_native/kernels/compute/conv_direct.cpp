// Sums over taps as products of matrices, without building them: rows of A are runs of numbers of the image, read in
// place (or from a copy of a few rows with zeros at their sides), rows of B are rows of the kernel.
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
    tall_ = w.out < 4 && h.out > w.out;
    copy_ = reads_pads(tall_ ? h : w);
    one_run_ = taps_are_one_run(c_) && w.taps > 0 && !(tall_ && reads_pads(w));
    row_runs_ = one_run_ ? 1 : w.taps;
    length_ = one_run_ ? w.taps * c_.x_channels : c_.x_channels;
    runs_ = d.taps * h.taps * row_runs_;
    grid_ = tasks();
    vectors_ = divide_up(c_.y_channels, Simd<T>::lanes);
    cut_ = best_cut(tall_ ? grid_.rows : grid_.cols, vectors_);
    packed_ = !weights_in_place();
  }

  void run() {
    if (packed_) pack();
    parallel_for(static_cast<std::size_t>(grid_.count), 1, [&](std::size_t begin, std::size_t end) {
      const i64 depth_taps = c_.axis[0].taps;
      i64* depth = workspace<i64>(Scratch::other, depth_taps + 2 * runs_);
      Run* runs = reinterpret_cast<Run*>(depth + depth_taps);
      T* copy = copy_ ? workspace<T>(Scratch::window, strip_size(c_, grid_.rows, grid_.cols, tall_)) : nullptr;
      for (std::size_t i = begin; i < end; ++i) task(grid_.at(c_, static_cast<i64>(i)), copy, depth, runs);
    });
  }

 private:
  Grid tasks() const {
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    const i64 column = most(w.in_stride * static_cast<i64>(sizeof(T)) * least(w.step, 4), 1);
    i64 cols = w.out;
    if (cols * column > 2 * task_input) cols = most(task_input / column, 4 * tallest_block);
    const i64 wide = divide_up(w.out, cols), width = divide_up(w.out, wide);
    i64 rows = least(h.out, most(task_input / (width * column), tall_ ? 2 * tallest_block : 4));
    const i64 others = c_.images * c_.axis[0].out * wide, wanted = 4 * num_threads();
    if (num_threads() > 1 && others * divide_up(h.out, rows) < wanted) {
      rows = most(divide_up(h.out * others, wanted), least(rows, 2));
    }
    return Grid(c_, rows, cols);
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

  // Panels of whole vectors, one after the other; the rows of a panel are in the order of the runs.
  void pack() {
    const i64 lanes = Simd<T>::lanes, rows = runs_ * length_, panels = c_.groups * cut_.panels;
    T* to = workspace<T>(Scratch::pack_b, c_.groups * rows * vectors_ * lanes);
    packed_weights_ = to;
    const i64 taps = c_.axis[0].taps * c_.axis[1].taps * c_.axis[2].taps;
    const i64 size = c_.x_channels * vectors_ / cut_.panels * lanes;  // of one tap's part of a panel
    const auto grain = static_cast<std::size_t>(most(1, 16384 / most(1, size)));
    parallel_for(static_cast<std::size_t>(panels * taps), grain, [&](std::size_t begin, std::size_t end) {
      for (i64 i = static_cast<i64>(begin); i < static_cast<i64>(end); ++i) {
        pack_tap(to, i / taps / cut_.panels, i / taps % cut_.panels, i % taps);
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
      const T* line = from + f * c_.weight_y;
      for (i64 k = 0; k < c_.x_channels; ++k) to[k * width + f] = f < columns ? line[k * c_.weight_x] : T(0);
    }
  }

  void task(const Region& r, T* copy, i64* depth, Run* runs) const {
    const Strip<T> strip = take_strip<T>(c_, r, copy, depth, tall_);
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
    p.y = y_at<T>(c_, r.image, r.d, r.h0, r.w0) + group * c_.y_channels + v0 * lanes;
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

  // All positions of the region for runs [first, end): along its rows, or down its columns where they are longer.
  void rows(const Region& r, const Strip<T>& strip, const Panel& p, i64 first, i64 end, Run* runs, bool add) const {
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    Line line{p.x + strip.origin + r.h0 * h.step * strip.row_stride + r.w0 * w.step * strip.pixel + p.begin,
              p.y, runs, 0, add};
    if (tall_) {
      for (i64 ow = r.w0; ow < r.w1; ++ow, line.x += w.step * strip.pixel, line.y += w.out_stride) {
        line.count = list_runs(strip, p.row, first, end, {0, h.taps}, one_run_ ? Taps{0, 1} : taps_inside(w, ow), runs);
        blocks(p, line, r.h1 - r.h0, h.step * strip.row_stride, h.out_stride);
      }
      return;
    }
    Taps listed{-1, -1};
    for (i64 oh = r.h0; oh < r.h1; ++oh, line.x += h.step * strip.row_stride, line.y += h.out_stride) {
      const Taps taps = taps_inside(h, oh);
      if (taps.begin != listed.begin || taps.end != listed.end) {
        line.count = list_runs(strip, p.row, first, end, taps, {0, row_runs_}, runs);
        listed = taps;
      }
      blocks(p, line, r.w1 - r.w0, w.step * strip.pixel, w.out_stride);
    }
  }

  // Neighbouring positions that meet the same runs.
  struct Line {
    const T* x;
    T* y;
    const Run* runs;
    i64 count;
    bool add;
  };

  void blocks(const Panel& p, const Line& line, i64 width, i64 pixel, i64 y_pixel) const {
    const i64 heights = least(cut_.heights, width);
    for (i64 b = 0; b < heights; ++b) {
      const i64 from = part_begin(width, heights, b), height = part_begin(width, heights, b + 1) - from;
      dot_block<T>(static_cast<int>(height), p.vectors)(line.x + from * pixel, pixel, line.runs, line.count, p.length,
                                                        p.weights + p.begin * p.row, p.row, line.y + from * y_pixel,
                                                        y_pixel, p.last, line.add);
    }
  }

  // Of runs [first, end), those of depth taps inside of the image and of the row and column taps that are named.
  i64 list_runs(const Strip<T>& strip, i64 w_row, i64 first, i64 end, Taps rows, Taps columns, Run* runs) const {
    const TapAxis &d = c_.axis[0], &h = c_.axis[1], &w = c_.axis[2];
    i64 count = 0;
    for (i64 i = first; i < end; ++i) {
      const i64 tw = i % row_runs_, th = i / row_runs_ % h.taps, td = i / (row_runs_ * h.taps);
      if (strip.depth[td] < 0 || th < rows.begin || th >= rows.end || tw < columns.begin || tw >= columns.end) continue;
      const i64 place = packed_ ? i * length_ * w_row : d.weight[td] + h.weight[th] + w.weight[tw];
      runs[count++] = {strip.depth[td] + h.offset[th] * strip.row_stride + w.offset[tw] * strip.pixel, place};
    }
    return count;
  }

  const TapSum& c_;
  bool tall_;  // blocks run down the columns
  bool copy_, one_run_, packed_;
  i64 row_runs_;       // runs for one tap of depth and rows
  i64 length_, runs_;  // numbers of a run; runs for one position
  Grid grid_;
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
