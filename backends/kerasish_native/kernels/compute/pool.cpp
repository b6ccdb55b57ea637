// Pooling kernels. Vectors run along the channels; the windows of an axis are cut off at the ends of the input.
#include "../families/pool.hpp"
#include "../thread_pool.hpp"
#include "pool_lanes.hpp"
#include "workspace.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

using i64 = std::int64_t;

// Elements that are worth handing to another thread.
constexpr i64 task_elements = 16 * 1024;
constexpr i64 winner_bytes = 128 * 1024;

// A range of positions.
struct Span {
  i64 begin, end;
  i64 size() const { return end > begin ? end - begin : 0; }
};

// The input positions of window p along an axis.
Span window_at(const PoolCall& c, int axis, i64 p) {
  const i64 from = p * c.stride[axis] - c.pad[axis], to = from + c.window[axis];
  return {from < 0 ? 0 : from, to > c.in[axis] ? c.in[axis] : to};
}

// The windows that hold input position p of an axis.
Span windows_around(const PoolCall& c, int axis, i64 p) {
  const i64 reach = p + c.pad[axis], stride = c.stride[axis];
  const i64 first = reach - c.window[axis] + 1, end = reach / stride + 1;
  return {first <= 0 ? 0 : (first + stride - 1) / stride, end > c.out[axis] ? c.out[axis] : end};
}

// Both for every position, so that the loops over elements need not divide. In the caller's scratch memory.
struct Axes {
  Span* windows[3];  // [out]
  Span* around[3];   // [in]
};

Axes tabulate(const PoolCall& c) {
  i64 size = 0;
  for (int i = 0; i < 3; ++i) size += c.out[i] + c.in[i];
  Span* next = workspace<Span>(Scratch::tile, size);
  Axes axes;
  for (int i = 0; i < 3; ++i) {
    axes.windows[i] = next;
    for (i64 p = 0; p < c.out[i]; ++p) *next++ = window_at(c, i, p);
    axes.around[i] = next;
    for (i64 p = 0; p < c.in[i]; ++p) *next++ = windows_around(c, i, p);
  }
  return axes;
}

template <class S>
const S* at(const void* data, const i64 (&size)[3], i64 channels, i64 image, i64 d, i64 h, i64 w) {
  return static_cast<const S*>(data) + (((image * size[0] + d) * size[1] + h) * size[2] + w) * channels;
}
template <class S>
S* at(void* data, const i64 (&size)[3], i64 channels, i64 image, i64 d, i64 h, i64 w) {
  return static_cast<S*>(data) + (((image * size[0] + d) * size[1] + h) * size[2] + w) * channels;
}

// Calls body(image, d, h) for every row of an array of spatial size `size`, from several threads.
template <class Body>
void each_row(const PoolCall& c, const i64 (&size)[3], Body body) {
  const i64 rows = c.images * size[0] * size[1];
  const i64 work = size[2] * c.channels * c.window[0] * c.window[1] * c.window[2] + 1;
  const auto grain = static_cast<std::size_t>((task_elements + work - 1) / work);
  parallel_for(static_cast<std::size_t>(rows), grain, [&](std::size_t begin, std::size_t end) {
    for (i64 i = static_cast<i64>(begin); i < static_cast<i64>(end); ++i) {
      body(i / size[1] / size[0], i / size[1] % size[0], i % size[1]);
    }
  });
}

// The elements of one window: offsets of their channels from the first element of the image.
struct Window {
  i64* places;
  i64 count;
};

Window window_space(const PoolCall& c) {
  return {workspace<i64>(Scratch::other, c.window[0] * c.window[1] * c.window[2]), 0};
}

void take_window(const PoolCall& c, const Axes& axes, i64 d, i64 h, i64 w, Window& window) {
  const Span ds = axes.windows[0][d], hs = axes.windows[1][h], ws = axes.windows[2][w];
  window.count = 0;
  for (i64 i = ds.begin; i < ds.end; ++i) {
    for (i64 j = hs.begin; j < hs.end; ++j) {
      i64 place = ((i * c.in[1] + j) * c.in[2] + ws.begin) * c.channels;
      for (i64 k = ws.begin; k < ws.end; ++k, place += c.channels) window.places[window.count++] = place;
    }
  }
}

template <class S>
const S* image_of(const void* data, const PoolCall& c, i64 image) {
  return static_cast<const S*>(data) + image * c.in[0] * c.in[1] * c.in[2] * c.channels;
}
template <class S>
S* image_of(void* data, const PoolCall& c, i64 image) {
  return static_cast<S*>(data) + image * c.in[0] * c.in[1] * c.in[2] * c.channels;
}

// Calls body(channel, lanes) for whole vectors and then for the rest, `whole` being known to the compiler.
template <int lanes, class Whole, class Rest>
KERASISH_INLINE void each_vector(i64 begin, i64 end, Whole whole, Rest rest) {
  i64 k = begin;
  for (; k + lanes <= end; k += lanes) whole(k);
  if (k < end) rest(k, static_cast<int>(end - k));
}

// --- the largest element ---------------------------------------------------------------------------------------------

// What a maximum over no element is: the least value.
template <class N>
constexpr N least_value() {
  if constexpr (std::is_floating_point<N>::value) {
    return -std::numeric_limits<N>::infinity();
  } else {
    return std::numeric_limits<N>::min();
  }
}

template <class S>
void max_pool(const PoolCall& c) {
  using L = Lanes<S>;
  using V = typename L::vector;
  const Axes axes = tabulate(c);
  each_row(c, c.out, [&](i64 image, i64 d, i64 h) {
    Window window = window_space(c);
    const S* x = image_of<S>(c.x, c, image);
    for (i64 w = 0; w < c.out[2]; ++w) {
      take_window(c, axes, d, h, w, window);
      S* y = at<S>(c.y, c.out, c.channels, image, d, h, w);
      const auto maximum = [&](auto read) {
        if (window.count == 0) return V{} + least_value<typename L::number>();
        return largest<V>(window.count, [&](i64 t) { return read(window.places[t]); });
      };
      each_vector<L::count>(
          0, c.channels, [&](i64 k) { L::put(y + k, maximum([&](i64 place) { return L::get(x + place + k); })); },
          [&](i64 k, int lanes) {
            L::put(y + k, maximum([&](i64 place) { return L::get(x + place + k, lanes); }), lanes);
          });
    }
  });
}

// Whether every input position is in exactly one window.
bool windows_tile(const PoolCall& c) {
  for (int i = 0; i < 3; ++i) {
    if (c.window[i] != c.stride[i] || c.pad[i] != 0 || c.in[i] != c.out[i] * c.stride[i]) return false;
  }
  return true;
}

bool windows_overlap(const PoolCall& c) {
  for (int i = 0; i < 3; ++i) {
    if (c.window[i] > c.stride[i] && c.out[i] > 1) return true;
  }
  return false;
}

template <class S>
void clear_images(const PoolCall& c) {
  const i64 size = c.in[0] * c.in[1] * c.in[2] * c.channels;
  parallel_for(static_cast<std::size_t>(c.images), 1, [&](std::size_t begin, std::size_t end) {
    const std::size_t bytes = (end - begin) * static_cast<std::size_t>(size) * sizeof(S);
    std::memset(static_cast<char*>(c.y) + begin * static_cast<std::size_t>(size) * sizeof(S), 0, bytes);
  });
}

// The gradient of a row of windows that share no element with others.
template <class S>
void max_pool_grad_row(const PoolCall& c, const Axes& axes, i64 image, i64 d, i64 h) {
  using L = Lanes<S>;
  using V = typename L::vector;
  Window window = window_space(c);
  const S* x = image_of<S>(c.x, c, image);
  S* y = image_of<S>(c.y, c, image);
  for (i64 w = 0; w < c.out[2]; ++w) {
    take_window(c, axes, d, h, w, window);
    if (window.count == 0) continue;  // in the pads
    const S* g = at<S>(c.values, c.out, c.channels, image, d, h, w);
    const auto spread = [&](i64 k, auto read, auto write) {
      const MaskOf<V> number = first_largest<V>(window.count, [&](i64 t) { return read(x + window.places[t] + k); });
      const V value = read(g + k);
      for (i64 t = 0; t < window.count; ++t) {
        write(y + window.places[t] + k, number == static_cast<int>(t) ? value : V{});
      }
    };
    each_vector<L::count>(
        0, c.channels, [&](i64 k) { spread(k, [](const S* p) { return L::get(p); }, [](S* p, V v) { L::put(p, v); }); },
        [&](i64 k, int lanes) {
          spread(k, [&](const S* p) { return L::get(p, lanes); }, [&](S* p, V v) { L::put(p, v, lanes); });
        });
  }
}

// The gradient of rows [h0, h1) of an image (all of its depth). First the winners of all windows that reach into them
// are found, then each input position gathers from the windows around it, the last one first: in the order of their
// elements.
template <class S>
class MaxGradRows {
  using L = Lanes<S>;
  using V = typename L::vector;
  using M = MaskOf<V>;

 public:
  MaxGradRows(const PoolCall& call, const Axes& axes, i64 image, i64 h0, i64 h1)
      : c_(call), axes_(axes), image_(image), h0_(h0), h1_(h1) {
    rows_ = {c_.out[1], 0};
    for (i64 h = h0; h < h1; ++h) {
      const Span around = axes.around[1][h];
      if (around.size() == 0) continue;
      if (around.begin < rows_.begin) rows_.begin = around.begin;
      if (around.end > rows_.end) rows_.end = around.end;
    }
    vectors_ = (c_.channels + L::count - 1) / L::count;
    winners_ = workspace<M>(Scratch::window, c_.out[0] * rows_.size() * c_.out[2] * vectors_);
  }

  void run() {
    find_winners();
    for (i64 d = 0; d < c_.in[0]; ++d) {
      for (i64 h = h0_; h < h1_; ++h) {
        for (i64 w = 0; w < c_.in[2]; ++w) gather(d, h, w);
      }
    }
  }

 private:
  i64 winner_at(i64 d, i64 h, i64 w) const { return ((d * rows_.size() + h - rows_.begin) * c_.out[2] + w) * vectors_; }

  void find_winners() {
    Window window = window_space(c_);
    const S* x = image_of<S>(c_.x, c_, image_);
    for (i64 d = 0; d < c_.out[0]; ++d) {
      for (i64 h = rows_.begin; h < rows_.end; ++h) {
        for (i64 w = 0; w < c_.out[2]; ++w) {
          take_window(c_, axes_, d, h, w, window);
          if (window.count == 0) continue;
          M* to = winners_ + winner_at(d, h, w);
          each_vector<L::count>(
              0, c_.channels,
              [&](i64 k) {
                *to++ = first_largest<V>(window.count, [&](i64 t) { return L::get(x + window.places[t] + k); });
              },
              [&](i64 k, int lanes) {
                *to = first_largest<V>(window.count, [&](i64 t) { return L::get(x + window.places[t] + k, lanes); });
              });
        }
      }
    }
  }

  // A window around an input position: where its winners and gradients are, and the position's number in it.
  struct Source {
    const M* winners;
    const S* g;
    int number;
  };

  void gather(i64 d, i64 h, i64 w) {
    const Span ds = axes_.around[0][d], hs = axes_.around[1][h], ws = axes_.around[2][w];
    Source* sources = workspace<Source>(Scratch::other, ds.size() * hs.size() * ws.size());
    i64 count = 0;
    for (i64 i = ds.end; i-- > ds.begin;) {
      const Span di = axes_.windows[0][i];
      for (i64 j = hs.end; j-- > hs.begin;) {
        const Span hj = axes_.windows[1][j];
        for (i64 k = ws.end; k-- > ws.begin;) {
          const Span wk = axes_.windows[2][k];
          const i64 number = ((d - di.begin) * hj.size() + h - hj.begin) * wk.size() + w - wk.begin;
          sources[count++] = {winners_ + winner_at(i, j, k), at<S>(c_.values, c_.out, c_.channels, image_, i, j, k),
                              static_cast<int>(number)};
        }
      }
    }
    S* y = at<S>(c_.y, c_.in, c_.channels, image_, d, h, w);
    const auto sum = [&](i64 k, auto read) {
      V total{};
      for (i64 t = 0; t < count; ++t) {
        const V value = loaded(read(sources[t].g + k));
        total += sources[t].winners[k / L::count] == sources[t].number ? value : V{};
      }
      return total;
    };
    each_vector<L::count>(
        0, c_.channels, [&](i64 k) { L::put(y + k, sum(k, [](const S* p) { return L::get(p); })); },
        [&](i64 k, int lanes) { L::put(y + k, sum(k, [&](const S* p) { return L::get(p, lanes); }), lanes); });
  }

  const PoolCall& c_;
  const Axes& axes_;
  i64 image_, h0_, h1_;
  Span rows_;  // of windows that reach into the input rows
  i64 vectors_;
  M* winners_;
};

template <class S>
void max_pool_grad(const PoolCall& c) {
  const Axes axes = tabulate(c);
  if (!windows_overlap(c)) {
    if (!windows_tile(c)) clear_images<S>(c);
    each_row(c, c.out, [&](i64 image, i64 d, i64 h) { max_pool_grad_row<S>(c, axes, image, d, h); });
    return;
  }
  // Blocks of rows whose winners stay in the second cache.
  const i64 row_bytes = c.out[0] * c.out[2] * c.channels * 4 / c.stride[1] + 1;
  i64 rows = winner_bytes / row_bytes;
  rows = rows < 4 * c.window[1] ? 4 * c.window[1] : rows;
  const i64 blocks = (c.in[1] + rows - 1) / rows;
  parallel_for(static_cast<std::size_t>(c.images * blocks), 1, [&](std::size_t begin, std::size_t end) {
    for (i64 i = static_cast<i64>(begin); i < static_cast<i64>(end); ++i) {
      const i64 b = i % blocks;
      MaxGradRows<S>(c, axes, i / blocks, c.in[1] * b / blocks, c.in[1] * (b + 1) / blocks).run();
    }
  });
}

template <class S>
void max_pool_pick(const PoolCall& c) {
  using L = Lanes<S>;
  using V = typename L::vector;
  const Axes axes = tabulate(c);
  each_row(c, c.out, [&](i64 image, i64 d, i64 h) {
    Window window = window_space(c);
    const S* x = image_of<S>(c.x, c, image);
    const S* values = image_of<S>(c.values, c, image);
    for (i64 w = 0; w < c.out[2]; ++w) {
      take_window(c, axes, d, h, w, window);
      S* y = at<S>(c.y, c.out, c.channels, image, d, h, w);
      const auto picked = [&](i64 k, auto read) {
        V found{};
        if (window.count == 0) return found;
        const MaskOf<V> number =
            first_largest<V>(window.count, [&](i64 t) { return read(x + window.places[t] + k); });
        for (i64 t = 0; t < window.count; ++t) {
          const V value = loaded(read(values + window.places[t] + k));
          found = number == static_cast<int>(t) ? value : found;
        }
        return found;
      };
      each_vector<L::count>(
          0, c.channels, [&](i64 k) { L::put(y + k, picked(k, [](const S* p) { return L::get(p); })); },
          [&](i64 k, int lanes) {
            L::put(y + k, picked(k, [&](const S* p) { return L::get(p, lanes); }), lanes);
          });
    }
  });
}

// --- the mean --------------------------------------------------------------------------------------------------------

template <class S>
void mean_pool(const PoolCall& c) {
  using L = Lanes<S>;
  using V = typename L::vector;
  const Axes axes = tabulate(c);
  using N = typename L::number;
  each_row(c, c.out, [&](i64 image, i64 d, i64 h) {
    Window window = window_space(c);
    const S* x = image_of<S>(c.x, c, image);
    for (i64 w = 0; w < c.out[2]; ++w) {
      take_window(c, axes, d, h, w, window);
      const N count = static_cast<N>(window.count == 0 ? 1 : window.count);
      S* y = at<S>(c.y, c.out, c.channels, image, d, h, w);
      const auto mean = [&](auto read) {
        V total{};
        for (i64 t = 0; t < window.count; ++t) total += read(window.places[t]);
        return total / count;
      };
      each_vector<L::count>(
          0, c.channels, [&](i64 k) { L::put(y + k, mean([&](i64 place) { return L::get(x + place + k); })); },
          [&](i64 k, int lanes) {
            L::put(y + k, mean([&](i64 place) { return L::get(x + place + k, lanes); }), lanes);
          });
    }
  });
}

// The gradient of a row of windows that cover the input, each element once.
template <class S>
void mean_pool_grad_row(const PoolCall& c, const Axes& axes, i64 image, i64 d, i64 h) {
  using L = Lanes<S>;
  using V = typename L::vector;
  Window window = window_space(c);
  S* y = image_of<S>(c.y, c, image);
  for (i64 w = 0; w < c.out[2]; ++w) {
    take_window(c, axes, d, h, w, window);
    const S* g = at<S>(c.x, c.out, c.channels, image, d, h, w);
    const auto factor = 1 / static_cast<typename L::number>(window.count);
    each_vector<L::count>(
        0, c.channels,
        [&](i64 k) {
          const V value = L::get(g + k) * factor;
          for (i64 t = 0; t < window.count; ++t) L::put(y + window.places[t] + k, value);
        },
        [&](i64 k, int lanes) {
          const V value = L::get(g + k, lanes) * factor;
          for (i64 t = 0; t < window.count; ++t) L::put(y + window.places[t] + k, value, lanes);
        });
  }
}

// Each input position gathers from the windows that hold it, the last one first: the order of a window's elements.
template <class S>
void mean_pool_grad(const PoolCall& c) {
  using L = Lanes<S>;
  using V = typename L::vector;
  using N = typename L::number;
  struct Share {
    i64 place;  // of the window's channels
    N factor;   // one over the count of its elements
  };
  const Axes axes = tabulate(c);
  if (windows_tile(c)) {
    each_row(c, c.out, [&](i64 image, i64 d, i64 h) { mean_pool_grad_row<S>(c, axes, image, d, h); });
    return;
  }
  i64 most = 1;
  for (int i = 0; i < 3; ++i) most *= (c.window[i] + c.stride[i] - 1) / c.stride[i];
  each_row(c, c.in, [&](i64 image, i64 d, i64 h) {
    Share* shares = workspace<Share>(Scratch::other, most);
    const S* g = at<S>(c.x, c.out, c.channels, image, 0, 0, 0);
    const Span ds = axes.around[0][d], hs = axes.around[1][h];
    for (i64 w = 0; w < c.in[2]; ++w) {
      const Span ws = axes.around[2][w];
      i64 count = 0;
      for (i64 i = ds.end; i-- > ds.begin;) {
        for (i64 j = hs.end; j-- > hs.begin;) {
          const i64 rows = axes.windows[0][i].size() * axes.windows[1][j].size();
          for (i64 k = ws.end; k-- > ws.begin;) {
            shares[count++] = {((i * c.out[1] + j) * c.out[2] + k) * c.channels,
                               N(1) / static_cast<N>(rows * axes.windows[2][k].size())};
          }
        }
      }
      S* y = at<S>(c.y, c.in, c.channels, image, d, h, w);
      const auto sum = [&](auto read) {
        V total{};
        for (i64 t = 0; t < count; ++t) total += read(shares[t].place) * shares[t].factor;
        return total;
      };
      each_vector<L::count>(
          0, c.channels, [&](i64 k) { L::put(y + k, sum([&](i64 place) { return L::get(g + place + k); })); },
          [&](i64 k, int lanes) {
            L::put(y + k, sum([&](i64 place) { return L::get(g + place + k, lanes); }), lanes);
          });
    }
  });
}

// --- by dtype --------------------------------------------------------------------------------------------------------

template <template <class> class Kernel>
void of_float(const PoolCall& c) {
  switch (c.dtype) {
    case Dtype::float32: return Kernel<float>::run(c);
    case Dtype::float64: return Kernel<double>::run(c);
    case Dtype::float16: return Kernel<Half>::run(c);
    default: return Kernel<Bfloat>::run(c);
  }
}

template <template <class> class Kernel>
void of_number(const PoolCall& c) {
  switch (c.dtype) {
    case Dtype::int8: return Kernel<std::int8_t>::run(c);
    case Dtype::int16: return Kernel<std::int16_t>::run(c);
    case Dtype::int32: return Kernel<std::int32_t>::run(c);
    case Dtype::int64: return Kernel<std::int64_t>::run(c);
    case Dtype::uint8: return Kernel<std::uint8_t>::run(c);
    case Dtype::uint16: return Kernel<std::uint16_t>::run(c);
    case Dtype::uint32: return Kernel<std::uint32_t>::run(c);
    case Dtype::uint64: return Kernel<std::uint64_t>::run(c);
    default: return of_float<Kernel>(c);
  }
}

template <class S> struct Max { static void run(const PoolCall& c) { max_pool<S>(c); } };
template <class S> struct MaxGrad { static void run(const PoolCall& c) { max_pool_grad<S>(c); } };
template <class S> struct MaxPick { static void run(const PoolCall& c) { max_pool_pick<S>(c); } };
template <class S> struct Mean { static void run(const PoolCall& c) { mean_pool<S>(c); } };
template <class S> struct MeanGrad { static void run(const PoolCall& c) { mean_pool_grad<S>(c); } };

}  // namespace

void fill_pool(PoolKernels& table);
void fill_pool(PoolKernels& table) {
  table.max = of_number<Max>;
  table.max_grad = of_float<MaxGrad>;
  table.max_pick = of_float<MaxPick>;
  table.mean = of_float<Mean>;
  table.mean_grad = of_float<MeanGrad>;
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
