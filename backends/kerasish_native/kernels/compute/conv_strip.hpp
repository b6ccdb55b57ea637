// The part of an image that a task of a convolution reads: in place, or copied with zeros at its sides.
#pragma once

#include "../families/conv.hpp"
#include "conv_block.hpp"
#include "workspace.hpp"

namespace kerasish {
namespace KERASISH_ISA {

KERASISH_INLINE i64 least(i64 a, i64 b) { return a < b ? a : b; }
KERASISH_INLINE i64 most(i64 a, i64 b) { return a > b ? a : b; }
KERASISH_INLINE i64 divide_up(i64 a, i64 b) { return (a + b - 1) / b; }

// Output positions of one task: at depth d of an image, rows [h0, h1) and columns [w0, w1).
struct Region {
  i64 image, d, h0, h1, w0, w1;
};

// All positions as regions of nearly equal sizes, at most rows x cols.
struct Grid {
  i64 rows, cols;
  i64 high, wide;  // regions along an image's rows and columns
  i64 count;

  Grid() = default;
  Grid(const TapSum& c, i64 most_rows, i64 most_cols)
      : high(divide_up(c.axis[1].out, most_rows)), wide(divide_up(c.axis[2].out, most_cols)) {
    rows = divide_up(c.axis[1].out, high);
    cols = divide_up(c.axis[2].out, wide);
    count = c.images * c.axis[0].out * high * wide;
  }

  Region at(const TapSum& c, i64 i) const {
    const i64 x = i % wide, y = i / wide % high, z = i / (wide * high);
    const i64 h = c.axis[1].out, w = c.axis[2].out;
    return {z / c.axis[0].out,         z % c.axis[0].out,        part_begin(h, high, y),
            part_begin(h, high, y + 1), part_begin(w, wide, x), part_begin(w, wide, x + 1)};
  }
};


KERASISH_INLINE i64 first_offset(const TapAxis& a) { return a.taps == 0 ? 0 : a.offset[0]; }
KERASISH_INLINE i64 last_offset(const TapAxis& a) { return a.taps == 0 ? 0 : a.offset[a.taps - 1]; }

// Input positions that taps of output positions [p0, p1) read, pads included.
KERASISH_INLINE i64 reads_from(const TapAxis& a, i64 p0) { return p0 * a.step + first_offset(a); }
KERASISH_INLINE i64 reads_to(const TapAxis& a, i64 p1) { return (p1 - 1) * a.step + last_offset(a) + 1; }

template <class T>
KERASISH_INLINE T* y_at(const TapSum& c, i64 image, i64 d, i64 h, i64 w) {
  return static_cast<T*>(c.y) + c.y_first + image * c.y_image + d * c.axis[0].out_stride + h * c.axis[1].out_stride +
         w * c.axis[2].out_stride;
}

// Taps [begin, end) of an axis.
struct Taps {
  i64 begin, end;
};

// Those that read inside of the input at output position p.
KERASISH_INLINE Taps taps_inside(const TapAxis& a, i64 p) {
  Taps t{0, a.taps};
  while (t.begin < t.end && p * a.step + a.offset[t.begin] < 0) ++t.begin;
  while (t.end > t.begin && p * a.step + a.offset[t.end - 1] >= a.in) --t.end;
  return t;
}

// Of output positions [p0, p1), those where tap t reads inside of the input.
KERASISH_INLINE void clip_positions(const TapAxis& a, i64 t, i64& p0, i64& p1) {
  while (p0 < p1 && p0 * a.step + a.offset[t] < 0) ++p0;
  while (p1 > p0 && (p1 - 1) * a.step + a.offset[t] >= a.in) --p1;
}

KERASISH_INLINE bool reads_pads(const TapAxis& a) { return reads_from(a, 0) < 0 || reads_to(a, a.out) > a.in; }

// Input position (row, column) of depth tap t begins at base[origin + depth[t] + row * row_stride + column * pixel].
// Depth taps outside of the image are -1; rows outside of it must not be read, unless they were copied too.
template <class T>
struct Strip {
  const T* base;
  i64 row_stride, pixel;
  i64 origin;
  i64* depth;  // [taps of axis 0]
};

// How many numbers a copy for tasks of `rows` x `cols` positions takes at most; with_pads: zeros above and below too.
inline i64 strip_size(const TapSum& c, i64 rows, i64 cols, bool with_pads = false) {
  const TapAxis &h = c.axis[1], &w = c.axis[2];
  const i64 reach = reads_to(h, rows) - reads_from(h, 0), height = with_pads ? reach : least(h.in, reach);
  const i64 width = reads_to(w, cols) - reads_from(w, 0);
  return c.axis[0].taps * most(height, 0) * most(width, 0) * w.in_stride;
}

// Columns [begin, end) of a row, zeros where they are outside of it.
template <class T>
inline void copy_row(T* to, const T* row, const TapAxis& w, i64 begin, i64 end) {
  const i64 from = least(most(begin, 0), end), until = most(least(end, w.in), from);
  const i64 pixel = w.in_stride;
  const auto bytes = [&](i64 positions) { return static_cast<std::size_t>(positions * pixel) * sizeof(T); };
  std::memset(to, 0, bytes(from - begin));
  if (from < until) std::memcpy(to + (from - begin) * pixel, row + from * pixel, bytes(until - from));
  std::memset(to + (until - begin) * pixel, 0, bytes(end - until));
}

// The strip of a region. With `buffer` null it is the image itself, which must then have all columns that are read.
template <class T>
inline Strip<T> take_strip(const TapSum& c, const Region& r, T* buffer, i64* depth, bool with_pads = false) {
  const TapAxis &d = c.axis[0], &h = c.axis[1], &w = c.axis[2];
  const T* image = static_cast<const T*>(c.x) + r.image * c.x_image;
  i64 top = reads_from(h, r.h0), bottom = reads_to(h, r.h1);
  if (!with_pads) {
    top = most(top, 0);
    bottom = least(bottom, h.in);
  }
  const i64 begin = reads_from(w, r.w0), end = reads_to(w, r.w1);
  const i64 width = (end - begin) * w.in_stride;
  i64 slot = 0;
  for (i64 t = 0; t < d.taps; ++t) {
    const i64 z = r.d * d.step + d.offset[t];
    if (z < 0 || z >= d.in) {
      depth[t] = -1;
    } else if (buffer == nullptr) {
      depth[t] = z * d.in_stride;
    } else {
      depth[t] = slot;
      for (i64 y = top; y < bottom; ++y, slot += width) {
        if (y < 0 || y >= h.in) {
          std::memset(buffer + slot, 0, static_cast<std::size_t>(width) * sizeof(T));
        } else {
          copy_row(buffer + slot, image + z * d.in_stride + y * h.in_stride, w, begin, end);
        }
      }
    }
  }
  if (buffer == nullptr) return {image, h.in_stride, w.in_stride, 0, depth};
  return {buffer, width, w.in_stride, -top * width - begin * w.in_stride, depth};
}

// Whether the taps of a row (and the channels under each) are one run of numbers in the image and one of the kernel.
inline bool taps_are_one_run(const TapSum& c) {
  const TapAxis& w = c.axis[2];
  if (w.in_stride != c.x_channels) return false;
  for (i64 t = 1; t < w.taps; ++t) {
    if (w.offset[t] != w.offset[t - 1] + 1) return false;
  }
  return true;
}

}  // namespace KERASISH_ISA
}  // namespace kerasish
