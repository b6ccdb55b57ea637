// One step of plain gradient descent on a table of which a batch has read some rows.
#include "../families/moving.hpp"
#include "../thread_pool.hpp"
#include "workspace.hpp"

namespace kerasish {
namespace KERASISH_ISA {
namespace {

using i64 = std::int64_t;

constexpr i64 bytes_a_range = 32768;
constexpr i64 least_columns = 16;  // of a thread's share of a row: a cache line of float32

// Rows that `count` indices name, each once in the order of their first index.
struct Named {
  i64* rows;
  i64 count;
};

Named named_rows(const DescendCall& c, const i64* targets) {
  bool* seen = workspace<bool>(Scratch::window, c.rows);
  Named named{workspace<i64>(Scratch::transformed, c.count), 0};
  std::memset(seen, 0, static_cast<std::size_t>(c.rows));
  for (i64 k = 0; k < c.count; ++k) {
    if (!seen[targets[k]]) named.rows[named.count++] = targets[k];
    seen[targets[k]] = true;
  }
  return named;
}

template <class T>
void move_all(const DescendCall& c) {
  const T* table = static_cast<const T*>(c.table);
  T* out = static_cast<T*>(c.out);
  const T idle = T(0) * *static_cast<const T*>(c.rate);  // what rows without a gradient lose: NaN, if the rate is no number
  parallel_for(static_cast<std::size_t>(c.rows * c.columns), bytes_a_range / sizeof(T), [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) out[i] = table[i] - idle;
  });
}

// Columns [begin, end) of the named rows: their gradients are added up in `out`, in the order of the indices.
template <class T>
void descend_columns(const DescendCall& c, const i64* targets, const Named& named, i64 begin, i64 end) {
  const T *table = static_cast<const T*>(c.table), *updates = static_cast<const T*>(c.updates);
  T* out = static_cast<T*>(c.out);
  const T rate = *static_cast<const T*>(c.rate);
  for (i64 u = 0; u < named.count; ++u) {
    T* sum = out + named.rows[u] * c.columns;
    for (i64 j = begin; j < end; ++j) sum[j] = 0;
  }
  for (i64 k = 0; k < c.count; ++k) {
    T* sum = out + targets[k] * c.columns;
    const T* from = updates + k * c.columns;
    for (i64 j = begin; j < end; ++j) sum[j] += from[j];
  }
  for (i64 u = 0; u < named.count; ++u) {
    const i64 row = named.rows[u] * c.columns;
    for (i64 j = begin; j < end; ++j) out[row + j] = table[row + j] - out[row + j] * rate;
  }
}

template <class T>
void descend_of(const DescendCall& c) {
  move_all<T>(c);
  if (c.count == 0) return;
  i64* targets = workspace<i64>(Scratch::other, c.count);
  for (i64 k = 0; k < c.count; ++k) {
    const i64 low = c.indices[k] < 0 ? 0 : c.indices[k];
    targets[k] = low < c.rows ? low : c.rows - 1;
  }
  const Named named = named_rows(c, targets);
  // Every thread goes over all rows: a share of columns must be worth that.
  i64 grain = bytes_a_range / static_cast<i64>(sizeof(T)) / (c.count + 1) + 1;
  grain = grain > least_columns ? grain : least_columns;
  parallel_for(static_cast<std::size_t>(c.columns), static_cast<std::size_t>(grain), [&](std::size_t begin, std::size_t end) {
    descend_columns<T>(c, targets, named, static_cast<i64>(begin), static_cast<i64>(end));
  });
}

void descend(const DescendCall& c) {
  if (c.rows * c.columns == 0) return;
  c.dtype == Dtype::float64 ? descend_of<double>(c) : descend_of<float>(c);
}

}  // namespace

void fill_descend(MovingKernels& table);
void fill_descend(MovingKernels& table) { table.descend = descend; }

}  // namespace KERASISH_ISA
}  // namespace kerasish
