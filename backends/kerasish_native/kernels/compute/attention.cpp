// Attention by blocks of keys: the scores of a block, their exponentials and the sum of its values are done while they are in
// cache; what earlier blocks gave is scaled down when a larger score turns up (M. N. Rabe and C. Staats, "Self-attention
// does not need O(n^2) memory", 2021; T. Dao et al., "FlashAttention", 2022).
//
// A score that is masked becomes a large negative number, as everywhere in kerasish: its weight is exactly 0 beside any
// other, and where there is no other, all keys weigh the same. So keys beyond the last that a causal query may see can be
// left out, unless the query has found nothing to attend to, or a value there is no finite number: 0 times that is NaN.
#include <cmath>
#include <limits>

#include "../families/attention.hpp"
#include "../thread_pool.hpp"
#include "gemm_strip.hpp"
#include "math.hpp"
#include "packing.hpp"
#include "workspace.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

using i64 = std::int64_t;

constexpr i64 key_block = 256;
constexpr i64 score_row = key_block + 32;  // rows a power of two apart would meet in the same sets of the cache
constexpr i64 tile_rows = tallest(2);      // queries whose scores are computed at a time
constexpr i64 task_rows = 16 * tile_rows;  // queries that share the packed keys

KERASISH_INLINE i64 least(i64 a, i64 b) { return a < b ? a : b; }
KERASISH_INLINE i64 divide_up(i64 a, i64 b) { return (a + b - 1) / b; }

template <class T>
constexpr T masked_score = static_cast<T>(sizeof(T) == 8 ? -1.2e308 : -2.4e38);
template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();

template <class V>
KERASISH_INLINE V larger(const V& a, const V& b) {
  return a > b ? a : b;
}

// The sums, or other combinations, of the lanes of each of `count` vectors, one after the other; up to a vector more is
// written.
template <class T, class Combine>
KERASISH_INLINE void across(const typename Simd<T>::vector* rows, i64 count, T* out, const Combine& combine) {
  constexpr int lanes = Simd<T>::lanes;
  for (i64 i = 0; i < count; i += lanes) {
    typename Simd<T>::vector block[lanes];
#pragma GCC unroll 16
    for (int r = 0; r < lanes; ++r) block[r] = rows[i + r < count ? i + r : i];
    transpose(block);
    typename Simd<T>::vector all = block[0];
#pragma GCC unroll 16
    for (int r = 1; r < lanes; ++r) all = combine(block[r], all);
    store(out + i, all);
  }
}

KERASISH_INLINE f32v bent(f32v x) { return tanh(x); }
KERASISH_INLINE f64v bent(f64v x) {
  for (int i = 0; i < f64_lanes; ++i) x[i] = std::tanh(x[i]);
  return x;
}

template <class S>
class Attention {
  using T = Wide<S>;
  using vector = typename Simd<T>::vector;
  static constexpr int lanes = Simd<T>::lanes;
  static constexpr i64 panel = 2 * lanes;

 public:
  explicit Attention(const AttentionCall& call) : c_(call) {
    value_vectors_ = c_.width <= lanes ? 1 : 2;
    line_ = divide_up(c_.width, value_vectors_ * lanes) * value_vectors_ * lanes;
    queries_in_place_ = in_place(c_.q, 1, 1);
    values_in_place_ = in_place(c_.v, c_.width, value_vectors_ * lanes);
    const i64 heads = c_.batch * c_.heads;
    const i64 wanted = num_threads() > 1 ? divide_up(4 * num_threads(), heads) : 1;
    const i64 rows = least(task_rows, divide_up(c_.queries, least(wanted, divide_up(c_.queries, 2 * tile_rows))));
    parts_ = divide_up(c_.queries, rows);
    most_rows_ = divide_up(c_.queries, parts_);
  }

  void run() const {
    const i64 tasks = c_.batch * c_.heads * parts_;
    parallel_for(static_cast<std::size_t>(tasks), 1, [&](std::size_t begin, std::size_t end) {
      const Space space = take_space();
      for (i64 i = static_cast<i64>(begin); i < static_cast<i64>(end); ++i) {
        const i64 part = i % parts_, head = i / parts_ % c_.heads, entry = i / parts_ / c_.heads;
        attend({entry, head, c_.queries * part / parts_, c_.queries * (part + 1) / parts_}, space);
      }
    });
  }

 private:
  // Queries [begin, end) of a head.
  struct Task {
    i64 entry, head, begin, end;
    i64 rows() const { return end - begin; }
    i64 tiles() const { return divide_up(rows(), tile_rows); }
    i64 tile(i64 i) const { return rows() * i / tiles(); }  // where it begins, from `begin` on
  };

  struct Space {
    T *q, *y;  // (rows, channels) and (rows, line_)
    T *keys, *values;  // panels of the block at hand
    T* scores;         // (tile_rows, score_row)
    T *top, *sum;      // of each row: the largest score, the sum of the weights
  };

  // Whether rows are used where they lie: they need no widening, and vectors of `columns` end with them.
  static bool in_place(const HeadsView& x, i64 size, i64 columns) {
    return sizeof(S) == sizeof(T) && x.channel == 1 && size % columns == 0;
  }

  // Each part begins where vectors do.
  Space take_space() const {
    const auto whole = [](i64 size) { return divide_up(size, lanes) * lanes; };
    const i64 sizes[] = {whole(most_rows_ * c_.channels), most_rows_ * line_, key_block * c_.channels + lanes,
                         key_block * line_ + lanes,       tile_rows * score_row, whole(most_rows_), whole(most_rows_)};
    i64 all = 0;
    for (i64 size : sizes) all += size;
    T* next = workspace<T>(Scratch::other, all);
    T* parts[7];
    for (int i = 0; i < 7; ++i) {
      parts[i] = next;
      next += sizes[i];
    }
    return {parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6]};
  }

  static const S* place(const HeadsView& x, i64 entry, i64 head, i64 position) {
    return static_cast<const S*>(x.data) + entry * x.batch + head * x.head + position * x.position;
  }

  void attend(const Task& t, const Space& s) const {
    take_queries(t, s);
    for (i64 i = 0; i < t.rows(); ++i) {
      s.top[i] = -infinity<T>;
      s.sum[i] = 0;
    }
    pass(t, s, true);
    if (needs_rest(t, s)) pass(t, s, false);
    deliver(t, s);
  }

  void take_queries(const Task& t, const Space& s) const {
    if (queries_in_place_) return;
    const S* q = place(c_.q, t.entry, t.head, t.begin);
    T* to = s.q;
    for (i64 i = 0; i < t.rows(); ++i, q += c_.q.position, to += c_.channels) {
      i64 h = 0;
      for (; c_.q.channel == 1 && h + lanes <= c_.channels; h += lanes) store(to + h, load(q + h));
      for (; h < c_.channels; ++h) to[h] = widen(q[h * c_.q.channel]);
    }
  }

  // Whether a tile sees some key of the block that begins at `first`.
  bool sees(const Task& t, i64 tile, i64 first) const {
    return !c_.causal || first < t.begin + t.tile(tile + 1);
  }

  // All pairs of tiles and blocks that see each other, or all the others.
  void pass(const Task& t, const Space& s, bool seen) const {
    for (i64 first = 0; first < c_.keys; first += key_block) {
      const i64 count = least(key_block, c_.keys - first);
      bool packed = false;
      for (i64 i = 0; i < t.tiles(); ++i) {
        if (sees(t, i, first) != seen) continue;
        if (!packed) pack_block(t, s, first, count);
        packed = true;
        tile(t, s, t.tile(i), t.tile(i + 1), first, count);
      }
    }
  }

  bool needs_rest(const Task& t, const Space& s) const {
    if (sees(t, 0, (c_.keys - 1) / key_block * key_block)) return false;
    for (i64 i = 0; i < t.rows(); ++i) {
      if (!(s.top[i] > masked_score<T>)) return true;
    }
    vector blemish{};
    for (i64 key = t.begin; key < c_.keys; ++key) {
      const S* v = place(c_.v, t.entry, t.head, key);
      i64 h = 0;
      for (; c_.v.channel == 1 && h + lanes <= c_.width; h += lanes) blemish += load(v + h) - load(v + h);
      for (; h < c_.width; ++h) {
        const T x = widen(v[h * c_.v.channel]);
        blemish[0] += x - x;
      }
    }
    T found[lanes];
    across<T>(&blemish, 1, found, [](vector a, vector b) { return a + b; });
    return found[0] != 0;
  }

  void pack_block(const Task& t, const Space& s, i64 first, i64 count) const {
    const S* k = place(c_.k, t.entry, t.head, first);
    for (i64 j = 0; j < count; j += panel) {
      pack(k + j * c_.k.position, c_.k.position, c_.k.channel, static_cast<int>(least(panel, count - j)), c_.channels,
           s.keys + j * c_.channels, panel);
    }
    if (values_in_place_) return;
    const S* v = place(c_.v, t.entry, t.head, first);
    const i64 width = value_vectors_ * lanes;
    for (i64 j = 0; j < c_.width; j += width) {
      pack(v + j * c_.v.channel, c_.v.channel, c_.v.position, static_cast<int>(least(width, c_.width - j)), count,
           s.values + j * count, static_cast<int>(width));
    }
  }

  // Queries [r0, r1) of the task, at most tile_rows, meet `count` keys.
  void tile(const Task& t, const Space& s, i64 r0, i64 r1, i64 first, i64 count) const {
    Strip<T> strip{};
    strip.a = s.q + r0 * c_.channels;
    strip.a_stride = c_.channels;
    if (queries_in_place_) {
      strip.a = reinterpret_cast<const T*>(place(c_.q, t.entry, t.head, t.begin + r0));
      strip.a_stride = c_.q.position;
    }
    strip.b = s.keys;
    strip.b_row = panel;
    strip.b_next = c_.channels * panel;
    strip.c = s.scores;
    strip.c_row = score_row;
    strip.k = c_.channels;
    strip.panels = divide_up(count, panel);
    strip.last = panel;
    strip_function<T>(true, static_cast<int>(r1 - r0), 2)(strip);
    weigh(t, s, r0, r1, first, count);
    strip.a = s.scores;
    strip.a_stride = score_row;
    strip.b = s.values;
    strip.b_row = value_vectors_ * lanes;
    strip.b_next = count * strip.b_row;
    strip.panels = line_ / strip.b_row;
    strip.last = static_cast<int>(strip.b_row);
    if (values_in_place_) {
      strip.b = reinterpret_cast<const T*>(place(c_.v, t.entry, t.head, first));
      strip.b_next = strip.b_row;
      strip.b_row = c_.v.position;
    }
    strip.c = s.y + r0 * line_;
    strip.c_row = line_;
    strip.k = count;
    strip.add = first > 0;  // all tiles see the first block
    strip_function<T>(true, static_cast<int>(r1 - r0), value_vectors_)(strip);
  }

  // The scores of query `row` and keys [first, first + count), from their products.
  void finish_scores(const Task& t, T* s, i64 row, i64 first, i64 count) const {
    const vector scale = splat(static_cast<T>(c_.scale)), cap = splat(static_cast<T>(c_.soft_cap));
    if (c_.soft_cap > 0) {
      for (i64 j = 0; j < count; j += lanes) store(s + j, bent(load(s + j) * scale / cap) * cap);
    } else {
      for (i64 j = 0; j < count; j += lanes) store(s + j, load(s + j) * scale);
    }
    if (c_.bias.data != nullptr) {
      const PairsView& x = c_.bias;
      const S* bias = static_cast<const S*>(x.data) + t.entry * x.batch + t.head * x.head + row * x.query + first * x.key;
      for (i64 j = 0; j < count; ++j) s[j] += widen(bias[j * x.key]);
    }
    if (c_.causal) {
      for (i64 j = row < first ? 0 : row + 1 - first; j < count; ++j) s[j] = masked_score<T>;
    }
    if (c_.mask.data != nullptr) {
      const PairsView& x = c_.mask;
      const bool* mask =
          static_cast<const bool*>(x.data) + t.entry * x.batch + t.head * x.head + row * x.query + first * x.key;
      for (i64 j = 0; j < count; ++j) s[j] = mask[j * x.key] ? s[j] : masked_score<T>;
    }
    for (i64 j = count; j % lanes != 0; ++j) s[j] = -infinity<T>;
  }

  // Scores of a tile become weights, relative to each row's largest so far; its result and sum are brought to that scale.
  void weigh(const Task& t, const Space& s, i64 r0, i64 r1, i64 first, i64 count) const {
    const i64 rows = r1 - r0;
    vector part[tile_rows];
    T found[tile_rows + lanes], base[tile_rows + lanes], less[tile_rows + lanes];
    const bool plain = is_plain(t.begin + r0, first, count);
    const vector factor = splat(plain ? static_cast<T>(c_.scale) : T(1));
    for (i64 r = 0; r < rows; ++r) {
      T* scores = s.scores + r * score_row;
      if (!plain) finish_scores(t, scores, t.begin + r0 + r, first, count);
      vector best = splat(-infinity<T>);
      for (i64 j = 0; j < count; j += lanes) best = larger(load(scores + j) * factor, best);
      part[r] = best;
    }
    across<T>(part, rows, found, [](vector a, vector b) { return larger(a, b); });
    for (i64 r = 0; r < rows; r += lanes) {
      const int some = static_cast<int>(least(lanes, rows - r));
      const vector before = load_some(s.top + r0 + r, some), now = larger(load(found + r), before);
      // All -inf: the weights are 0, and the result 0 / 0.
      const vector from = now == -infinity<T> ? vector{} : now;
      store_some(s.top + r0 + r, now, some);
      store(base + r, from);
      store(less + r, exp(before - from));
    }
    for (i64 r = 0; r < rows; ++r) {
      T* scores = s.scores + r * score_row;
      const vector from = splat(base[r]);
      vector sum{};
      for (i64 j = 0; j < count; j += lanes) {
        const vector w = exp(load(scores + j) * factor - from);
        store(scores + j, w);
        sum += w;
      }
      part[r] = sum;
    }
    across<T>(part, rows, found, [](vector a, vector b) { return a + b; });
    for (i64 r = 0; r < rows; ++r) {
      T& sum = s.sum[r0 + r];
      sum = first == 0 ? found[r] : sum * less[r] + found[r];
      if (first == 0 || less[r] == T(1)) continue;
      T* y = s.y + (r0 + r) * line_;
      for (i64 j = 0; j < line_; j += lanes) store(y + j, load(y + j) * splat(less[r]));
    }
  }

  // Whether the products need no more than their factor to be scores, and fill whole vectors.
  bool is_plain(i64 row, i64 first, i64 count) const {
    if (c_.soft_cap > 0 || c_.bias.data != nullptr || c_.mask.data != nullptr || count % lanes != 0) return false;
    return !c_.causal || first + count <= row + 1;
  }

  void deliver(const Task& t, const Space& s) const {
    for (i64 i = 0; i < t.rows(); ++i) {
      const T* from = s.y + i * line_;
      S* to = const_cast<S*>(place(c_.y, t.entry, t.head, t.begin + i));
      const vector whole = 1 / splat(s.sum[i]);
      i64 j = 0;
      for (; j + lanes <= c_.width; j += lanes) store(to + j, load(from + j) * whole);
      if (j < c_.width) store_some(to + j, load(from + j) * whole, static_cast<int>(c_.width - j));
    }
  }

  const AttentionCall& c_;
  int value_vectors_;  // of a panel of values
  bool queries_in_place_, values_in_place_;
  i64 line_;           // a row of the result, up to the end of its last panel
  i64 parts_, most_rows_;  // tasks of a head, and the most queries of one
};

void attend(const AttentionCall& c) {
  if (c.batch * c.heads * c.queries * c.width == 0) return;
  switch (c.dtype) {
    case Dtype::float64: return Attention<double>(c).run();
    case Dtype::float16: return Attention<Half>(c).run();
    case Dtype::bfloat16: return Attention<Bfloat>(c).run();
    default: return Attention<float>(c).run();
  }
}

}  // namespace

void fill_attention(AttentionKernels& table);
void fill_attention(AttentionKernels& table) { table.attend = attend; }

}  // namespace KERASISH_ISA
}  // namespace kerasish
