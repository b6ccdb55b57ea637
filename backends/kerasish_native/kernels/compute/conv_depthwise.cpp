// Depthwise convolutions: every channel has taps of its own, so vectors run along the channels.
//
// With a multiplier m there are m kernels a channel. The work is then laid out over the wide side, whose channels are
// m times as many: a narrow x is spread when it is copied, a narrow y is added up from a wide row.
#include "../thread_pool.hpp"
#include "conv_strip.hpp"
#include "conv_sum.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

constexpr i64 task_input = 24 * 1024;
constexpr int positions_a_block = 8;

// y[p] = sum of taps for P positions and all channels.
template <class T, int P>
void tap_block(const T* x, i64 pixel, const Run* taps, i64 count, const T* w, T* y, i64 y_pixel, i64 channels) {
  using vector = typename Simd<T>::vector;
  constexpr int lanes = Simd<T>::lanes;
  i64 c = 0;
  for (; c + lanes <= channels; c += lanes) {
    vector sum[P] = {};
    for (i64 t = 0; t < count; ++t) {
      const vector weight = load(w + taps[t].w + c);
      const T* from = x + taps[t].x + c;
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) sum[p] = fma(load(from + p * pixel), weight, sum[p]);
    }
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) store(y + p * y_pixel + c, sum[p]);
  }
  const int rest = static_cast<int>(channels - c);
  if (rest == 0) return;
  vector sum[P] = {};
  for (i64 t = 0; t < count; ++t) {
    const vector weight = load_some(w + taps[t].w + c, rest);
    const T* from = x + taps[t].x + c;
    for (int p = 0; p < P; ++p) sum[p] = fma(load_some(from + p * pixel, rest), weight, sum[p]);
  }
  for (int p = 0; p < P; ++p) store_some(y + p * y_pixel + c, sum[p], rest);
}

template <class T>
using TapBlock = void (*)(const T*, i64, const Run*, i64, const T*, T*, i64, i64);
template <class T>
constexpr TapBlock<T> tap_blocks[positions_a_block] = {tap_block<T, 1>, tap_block<T, 2>, tap_block<T, 3>,
                                                       tap_block<T, 4>, tap_block<T, 5>, tap_block<T, 6>,
                                                       tap_block<T, 7>, tap_block<T, 8>};

// out[t] += sum over positions of x (moved by tap t) times g: N taps, V vectors of channels; of a single vector the
// first `last` lanes.
template <class T, int N, int V>
void weight_block(const T* x, i64 pixel, i64 x_row, const i64* moves, const T* g, i64 g_pixel, i64 g_row, i64 rows,
                  i64 cols, T* out, const i64* places, int last) {
  using vector = typename Simd<T>::vector;
  constexpr int lanes = Simd<T>::lanes;
  vector sum[N][V] = {};
  const T* moved[N];
  for (int t = 0; t < N; ++t) moved[t] = x + moves[t];
  for (i64 r = 0; r < rows; ++r) {
    for (i64 i = 0; i < cols; ++i) {
      vector line[V];
      const T* from = g + r * g_row + i * g_pixel;
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) line[v] = V > 1 || last == lanes ? load(from + v * lanes) : load_some(from, last);
#pragma GCC unroll 8
      for (int t = 0; t < N; ++t) {
        const T* number = moved[t] + r * x_row + i * pixel;
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
          const vector value = V > 1 || last == lanes ? load(number + v * lanes) : load_some(number, last);
          sum[t][v] = fma(value, line[v], sum[t][v]);
        }
      }
    }
  }
  for (int t = 0; t < N; ++t) {
    T* to = out + places[t];
    for (int v = 0; v < V; ++v, to += lanes) {
      if (V > 1 || last == lanes) {
        store(to, load(to) + sum[t][v]);
      } else {
        store_some(to, load_some(to, last) + sum[t][v], last);
      }
    }
  }
}

constexpr int taps_a_block = 5;
constexpr int vectors_a_block = 4;
template <class T>
using WeightBlock = void (*)(const T*, i64, i64, const i64*, const T*, i64, i64, i64, i64, T*, const i64*, int);
template <class T>
constexpr WeightBlock<T> narrow_blocks[taps_a_block] = {weight_block<T, 1, 1>, weight_block<T, 2, 1>,
                                                        weight_block<T, 3, 1>, weight_block<T, 4, 1>,
                                                        weight_block<T, 5, 1>};
template <class T>
constexpr WeightBlock<T> wide_blocks[taps_a_block] = {
    weight_block<T, 1, vectors_a_block>, weight_block<T, 2, vectors_a_block>, weight_block<T, 3, vectors_a_block>,
    weight_block<T, 4, vectors_a_block>, weight_block<T, 5, vectors_a_block>};

template <class T>
class Depthwise {
 public:
  explicit Depthwise(const TapSum& call) : c_(call) {
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    spread_ = c_.y_channels;  // how often each channel of x is read
    gather_ = c_.x_channels;  // how many products each channel of y adds up
    channels_ = c_.groups * spread_ * gather_;
    taps_ = c_.axis[0].taps * h.taps * w.taps;
    copy_ = spread_ > 1 || reads_pads(w);
    const i64 column = most(channels_ * static_cast<i64>(sizeof(T)) * least(w.step, 4), 1);
    const i64 cols = w.out * column > 2 * task_input ? most(task_input / column, 8 * positions_a_block) : w.out;
    const i64 width = divide_up(w.out, divide_up(w.out, cols));
    grid_ = Grid(c_, least(h.out, most(task_input / (width * column), 4)), cols);
  }

  void sum() const {
    parallel_for(static_cast<std::size_t>(grid_.count), 1, [&](std::size_t begin, std::size_t end) {
      const Space space = take_space();
      for (std::size_t i = begin; i < end; ++i) sum_task(grid_.at(c_, static_cast<i64>(i)), space);
    });
  }

  void weights() const {
    const i64 size = taps_ * channels_;
    const i64 parts = num_threads() == 1 ? 1 : least(grid_.count, 2 * num_threads());
    T* out = static_cast<T*>(c_.weights);
    T* sums = parts == 1 ? out : workspace<T>(Scratch::pack_b, parts * size);
    parallel_for(static_cast<std::size_t>(parts), 1, [&](std::size_t begin, std::size_t end) {
      const Space space = take_space();
      for (i64 part = static_cast<i64>(begin); part < static_cast<i64>(end); ++part) {
        T* own = sums + part * size;
        std::memset(own, 0, static_cast<std::size_t>(size) * sizeof(T));
        const i64 first = part_begin(grid_.count, parts, part), last = part_begin(grid_.count, parts, part + 1);
        for (i64 i = first; i < last; ++i) weights_task(grid_.at(c_, i), space, own);
      }
    });
    if (parts == 1) return;
    for (i64 k = 0; k < size; ++k) {
      T total = sums[k];
      for (i64 p = 1; p < parts; ++p) total += sums[p * size + k];
      out[k] = total;
    }
  }

 private:
  struct Space {
    i64* depth;
    Run* taps;
    T* x;    // copied part of an image, or null
    T* row;  // wide sums of one row
  };

  Space take_space() const {
    Space s;
    s.depth = workspace<i64>(Scratch::other, c_.axis[0].taps + 2 * taps_);
    s.taps = reinterpret_cast<Run*>(s.depth + c_.axis[0].taps);
    const i64 x = copy_ ? divide_up(strip_size(c_, grid_.rows, grid_.cols) * spread_, 16) * 16 : 0;
    T* space = workspace<T>(Scratch::window, x + (gather_ > 1 ? grid_.cols * channels_ : 0));
    s.x = copy_ ? space : nullptr;
    s.row = space + x;
    return s;
  }

  // The strip, its channels spread in place from the last one to the first.
  Strip<T> strip_of(const Region& r, const Space& space) const {
    const Strip<T> strip = take_strip<T>(c_, r, space.x, space.depth);
    if (spread_ == 1) return strip;
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    const i64 rows = most(least(reads_to(h, r.h1), h.in) - most(reads_from(h, r.h0), 0), 0);
    i64 slices = 0;
    for (i64 t = 0; t < c_.axis[0].taps; ++t) slices += space.depth[t] >= 0;
    const i64 size = slices * rows * (reads_to(w, r.w1) - reads_from(w, r.w0)) * w.in_stride;
    for (i64 i = size - 1; i >= 0; --i) {
      const T value = space.x[i];
      for (i64 k = 0; k < spread_; ++k) space.x[i * spread_ + k] = value;
    }
    for (i64 t = 0; t < c_.axis[0].taps; ++t) {
      if (space.depth[t] > 0) space.depth[t] *= spread_;
    }
    return {strip.base, strip.row_stride * spread_, strip.pixel * spread_, strip.origin * spread_, strip.depth};
  }

  void sum_task(const Region& r, const Space& space) const {
    const Strip<T> strip = strip_of(r, space);
    const TapAxis& w = c_.axis[2];
    const i64 width = r.w1 - r.w0, pixel = w.step * strip.pixel, blocks = divide_up(width, positions_a_block);
    const T* x = strip.base + strip.origin + r.w0 * pixel;
    const T* weights = static_cast<const T*>(c_.weights);
    for (i64 oh = r.h0; oh < r.h1; ++oh) {
      const i64 count = list_taps(strip, oh, space.taps);
      T* y = y_at<T>(c_, r.image, r.d, oh, r.w0);
      T* to = gather_ > 1 ? space.row : y;
      const i64 to_pixel = gather_ > 1 ? channels_ : w.out_stride;
      for (i64 b = 0; b < blocks; ++b) {
        const i64 i = part_begin(width, blocks, b), positions = part_begin(width, blocks, b + 1) - i;
        tap_blocks<T>[positions - 1](x + i * pixel, pixel, space.taps, count, weights, to + i * to_pixel, to_pixel,
                                     channels_);
      }
      if (gather_ > 1) gather_row(space.row, y, width);
    }
    finish_rows(c_, r.image, r.d, r.h0, r.h1, r.w0, r.w1);
  }

  // The taps that output row oh meets inside of the image.
  i64 list_taps(const Strip<T>& strip, i64 oh, Run* taps) const {
    const TapAxis &d = c_.axis[0], &h = c_.axis[1], &w = c_.axis[2];
    const Taps inside = taps_inside(h, oh);
    i64 count = 0;
    for (i64 td = 0; td < d.taps; ++td) {
      if (strip.depth[td] < 0) continue;
      for (i64 th = inside.begin; th < inside.end; ++th) {
        const i64 row = strip.depth[td] + (oh * h.step + h.offset[th]) * strip.row_stride;
        for (i64 tw = 0; tw < w.taps; ++tw) {
          taps[count++] = {row + w.offset[tw] * strip.pixel, d.weight[td] + h.weight[th] + w.weight[tw]};
        }
      }
    }
    return count;
  }

  void gather_row(const T* row, T* y, i64 width) const {
    for (i64 i = 0; i < width; ++i, row += channels_) {
      for (i64 c = 0; c < c_.groups; ++c) {
        T total = row[c * gather_];
        for (i64 k = 1; k < gather_; ++k) total += row[c * gather_ + k];
        y[i * c_.axis[2].out_stride + c] = total;
      }
    }
  }

  void weights_task(const Region& r, const Space& space, T* sums) const {
    const Strip<T> strip = strip_of(r, space);
    const TapAxis &d = c_.axis[0], &h = c_.axis[1];
    for (i64 td = 0; td < d.taps; ++td) {
      for (i64 th = 0; th < h.taps && strip.depth[td] >= 0; ++th) {
        i64 begin = r.h0, end = r.h1;
        clip_positions(h, th, begin, end);
        if (begin < end) weights_row(r, strip, td, th, begin, end, sums);
      }
    }
  }

  // Rows [begin, end) of the region for one tap of depth and rows.
  void weights_row(const Region& r, const Strip<T>& strip, i64 td, i64 th, i64 begin, i64 end, T* sums) const {
    const TapAxis &d = c_.axis[0], &h = c_.axis[1], &w = c_.axis[2];
    const i64 lanes = Simd<T>::lanes, wide = vectors_a_block * lanes, cols = r.w1 - r.w0;
    const i64 pixel = w.step * strip.pixel, row = h.step * strip.row_stride;
    const T* x = strip.base + strip.origin + strip.depth[td] + begin * row + h.offset[th] * strip.row_stride;
    x += r.w0 * pixel;
    const T* g = y_at<T>(c_, r.image, r.d, begin, r.w0);
    for (i64 t0 = 0; t0 < w.taps; t0 += taps_a_block) {
      const i64 taps = least(taps_a_block, w.taps - t0);
      i64 moves[taps_a_block], places[taps_a_block];
      for (i64 t = 0; t < taps; ++t) {
        moves[t] = w.offset[t0 + t] * strip.pixel;
        places[t] = d.weight[td] + h.weight[th] + w.weight[t0 + t];
      }
      for (i64 c = 0; c < channels_;) {
        const bool is_wide = c + wide <= channels_;
        const int last = static_cast<int>(least(lanes, channels_ - c));
        const WeightBlock<T> block = (is_wide ? wide_blocks<T> : narrow_blocks<T>)[taps - 1];
        block(x + c, pixel, row, moves, g + c, w.out_stride, h.out_stride, end - begin, cols, sums + c, places, last);
        c += is_wide ? wide : lanes;
      }
    }
  }

  const TapSum& c_;
  bool copy_;
  i64 spread_, gather_, channels_, taps_;
  Grid grid_;
};

}  // namespace

bool is_depthwise(const TapSum& c) {
  if (c.groups == 1) return false;
  const bool spread = c.x_channels == 1 && c.weight_group == c.y_channels && (c.y_channels == 1 || c.weight_y == 1);
  const bool gather = c.y_channels == 1 && c.weight_group == c.x_channels && (c.x_channels == 1 || c.weight_x == 1);
  return spread || gather;
}

template <class T>
void sum_depthwise(const TapSum& c) {
  Depthwise<T>(c).sum();
}
template void sum_depthwise<float>(const TapSum&);
template void sum_depthwise<double>(const TapSum&);

template <class T>
void weights_depthwise(const TapSum& c) {
  Depthwise<T>(c).weights();
}
template void weights_depthwise<float>(const TapSum&);
template void weights_depthwise<double>(const TapSum&);

}  // namespace KERASISH_ISA
}  // namespace kerasish
