// Depthwise convolutions: every channel has taps of its own, so vectors run along the channels.
//
// With a multiplier m there are m kernels a channel. The work is then laid out over the wide side, whose channels are
// m times as many: a narrow x is spread when it is copied, a narrow y is added up from a wide row.
#include "../scratch.hpp"
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

// out[t] += sum over positions of x (moved by tap t) times g: N taps, V vectors of channels (of the last, `last` lanes).
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
    copy_ = spread_ > 1 || reads_pads(w);
    const i64 column = most(channels_ * static_cast<i64>(sizeof(T)) * least(w.step, 4), 1);
    cols_ = w.out;
    if (cols_ * column > 2 * task_input) cols_ = most(task_input / column, 8 * positions_a_block);
    wide_ = divide_up(w.out, cols_);
    cols_ = divide_up(w.out, wide_);
    rows_ = most(1, least(h.out, most(task_input / (cols_ * column), 4)));
    high_ = divide_up(h.out, rows_);
    rows_ = divide_up(h.out, high_);
    tasks_ = c_.images * c_.axis[0].out * high_ * wide_;
  }

  void sum() const {
    parallel_for(static_cast<std::size_t>(tasks_), 1, [&](std::size_t begin, std::size_t end) {
      const Space space = take_space();
      for (std::size_t i = begin; i < end; ++i) sum_task(region(static_cast<i64>(i)), space);
    });
  }

  void weights() const {
    const i64 taps = c_.axis[0].taps * c_.axis[1].taps * c_.axis[2].taps, size = taps * channels_;
    const i64 parts = num_threads() == 1 ? 1 : most(1, least(tasks_, 2 * num_threads()));
    T* out = static_cast<T*>(c_.weights);
    T* sums = parts == 1 ? out : static_cast<T*>(scratch(Scratch::pack_b, static_cast<std::size_t>(parts * size) * sizeof(T) + 64));
    parallel_for(static_cast<std::size_t>(parts), 1, [&](std::size_t begin, std::size_t end) {
      const Space space = take_space();
      for (i64 part = static_cast<i64>(begin); part < static_cast<i64>(end); ++part) {
        std::memset(sums + part * size, 0, static_cast<std::size_t>(size) * sizeof(T));
        for (i64 i = part_begin(tasks_, parts, part); i < part_begin(tasks_, parts, part + 1); ++i) {
          weights_task(region(i), space, sums + part * size);
        }
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
    T* x;
    T* row;  // wide sums of one row
  };

  Space take_space() const {
    const i64 taps = c_.axis[0].taps * c_.axis[1].taps * c_.axis[2].taps;
    const std::size_t lists = static_cast<std::size_t>(c_.axis[0].taps) * sizeof(i64) + static_cast<std::size_t>(taps) * sizeof(Run);
    Space s;
    s.depth = static_cast<i64*>(scratch(Scratch::other, lists + 64));
    s.taps = reinterpret_cast<Run*>(s.depth + c_.axis[0].taps);
    const i64 x = copy_ ? divide_up(strip_size(c_, rows_, cols_) * spread_, 16) * 16 : 0;
    const i64 row = gather_ > 1 ? cols_ * channels_ : 0;
    T* block = static_cast<T*>(scratch(Scratch::window, static_cast<std::size_t>(x + row) * sizeof(T) + 64));
    s.x = copy_ ? block : nullptr;
    s.row = block + x;
    return s;
  }

  Region region(i64 i) const {
    const i64 x = i % wide_, y = i / wide_ % high_, z = i / (wide_ * high_);
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    return {z / c_.axis[0].out, z % c_.axis[0].out, part_begin(h.out, high_, y), part_begin(h.out, high_, y + 1),
            part_begin(w.out, wide_, x), part_begin(w.out, wide_, x + 1)};
  }

  // The strip, its channels spread in place from the last one to the first.
  Strip<T> strip_of(const Region& r, const Space& space) const {
    Strip<T> strip = take_strip<T>(c_, r, space.x, space.depth);
    if (spread_ == 1) return strip;
    const i64 size = strip_size_of(r, space.depth);
    for (i64 i = size - 1; i >= 0; --i) {
      const T value = space.x[i];
      for (i64 k = 0; k < spread_; ++k) space.x[i * spread_ + k] = value;
    }
    for (i64 t = 0; t < c_.axis[0].taps; ++t) {
      if (space.depth[t] > 0) space.depth[t] *= spread_;
    }
    return {strip.base, strip.row_stride * spread_, strip.pixel * spread_, strip.origin * spread_, strip.depth};
  }

  i64 strip_size_of(const Region& r, const i64* depth) const {
    const TapAxis &h = c_.axis[1], &w = c_.axis[2];
    const i64 rows = most(least(reads_to(h, r.h1), h.in) - most(reads_from(h, r.h0), 0), 0);
    i64 slices = 0;
    for (i64 t = 0; t < c_.axis[0].taps; ++t) slices += depth[t] >= 0;
    return slices * rows * (reads_to(w, r.w1) - reads_from(w, r.w0)) * w.in_stride;
  }

  void sum_task(const Region& r, const Space& space) const {
    const Strip<T> strip = strip_of(r, space);
    const TapAxis &d = c_.axis[0], &h = c_.axis[1], &w = c_.axis[2];
    const i64 width = r.w1 - r.w0, pixel = w.step * strip.pixel;
    for (i64 oh = r.h0; oh < r.h1; ++oh) {
      i64 count = 0;
      for (i64 td = 0; td < d.taps; ++td) {
        for (i64 th = 0; th < h.taps && strip.depth[td] >= 0; ++th) {
          const i64 row = oh * h.step + h.offset[th];
          if (row < 0 || row >= h.in) continue;
          for (i64 tw = 0; tw < w.taps; ++tw) {
            space.taps[count++] = {strip.depth[td] + row * strip.row_stride + w.offset[tw] * strip.pixel,
                                   d.weight[td] + h.weight[th] + w.weight[tw]};
          }
        }
      }
      const T* x = strip.base + strip.origin + r.w0 * pixel;
      T* y = static_cast<T*>(c_.y) + r.image * c_.y_image + c_.y_first + r.d * d.out_stride + oh * h.out_stride + r.w0 * w.out_stride;
      T* to = gather_ > 1 ? space.row : y;
      const i64 to_pixel = gather_ > 1 ? channels_ : w.out_stride;
      const i64 blocks = divide_up(width, positions_a_block);
      for (i64 b = 0; b < blocks; ++b) {
        const i64 i = part_begin(width, blocks, b), positions = part_begin(width, blocks, b + 1) - i;
        tap_blocks<T>[positions - 1](x + i * pixel, pixel, space.taps, count, static_cast<const T*>(c_.weights), to + i * to_pixel, to_pixel, channels_);
      }
      if (gather_ > 1) gather_row(space.row, y, width);
    }
    finish_rows(c_, r.image, r.d, r.h0, r.h1, r.w0, r.w1);
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
    const TapAxis &d = c_.axis[0], &h = c_.axis[1], &w = c_.axis[2];
    const i64 pixel = w.step * strip.pixel, x_row = h.step * strip.row_stride;
    for (i64 td = 0; td < d.taps; ++td) {
      for (i64 th = 0; th < h.taps && strip.depth[td] >= 0; ++th) {
        i64 begin = r.h0, end = r.h1;
        while (begin < end && begin * h.step + h.offset[th] < 0) ++begin;
        while (end > begin && (end - 1) * h.step + h.offset[th] >= h.in) --end;
        if (begin == end) continue;
        const T* x = strip.base + strip.origin + strip.depth[td] + (begin * h.step + h.offset[th]) * strip.row_stride + r.w0 * pixel;
        const T* g = static_cast<const T*>(c_.y) + r.image * c_.y_image + c_.y_first + r.d * d.out_stride + begin * h.out_stride + r.w0 * w.out_stride;
        for (i64 t0 = 0; t0 < w.taps; t0 += taps_a_block) {
          const i64 taps = least(taps_a_block, w.taps - t0);
          i64 moves[taps_a_block], places[taps_a_block];
          for (i64 t = 0; t < taps; ++t) {
            moves[t] = w.offset[t0 + t] * strip.pixel;
            places[t] = d.weight[td] + h.weight[th] + w.weight[t0 + t];
          }
          const int lanes = Simd<T>::lanes;
          i64 c = 0;
          for (; c + vectors_a_block * lanes <= channels_; c += vectors_a_block * lanes) {
            wide_blocks<T>[taps - 1](x + c, pixel, x_row, moves, g + c, w.out_stride, h.out_stride, end - begin, r.w1 - r.w0, sums + c, places, lanes);
          }
          for (; c < channels_; c += lanes) {
            narrow_blocks<T>[taps - 1](x + c, pixel, x_row, moves, g + c, w.out_stride, h.out_stride, end - begin, r.w1 - r.w0, sums + c, places,
                                       static_cast<int>(least(lanes, channels_ - c)));
          }
        }
      }
    }
  }

  const TapSum& c_;
  bool copy_;
  i64 spread_, gather_, channels_;
  i64 rows_, cols_, high_, wide_, tasks_;
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
