// The part of an image that a task of a convolution reads: in place, or copied with zeros at its sides.
#pragma once

#include "../families/conv.hpp"
#include "conv_block.hpp"

namespace kerasish {
namespace KERASISH_ISA {

KERASISH_INLINE i64 least(i64 a, i64 b) { return a < b ? a : b; }
KERASISH_INLINE i64 most(i64 a, i64 b) { return a > b ? a : b; }
KERASISH_INLINE i64 divide_up(i64 a, i64 b) { return (a + b - 1) / b; }

// Output positions of one task: all taps of depth position d, rows [h0, h1), columns [w0, w1) of an image.
struct Region {
  i64 image, d, h0, h1, w0, w1;
};


KERASISH_INLINE i64 first_offset(const TapAxis& a) { return a.taps == 0 ? 0 : a.offset[0]; }
KERASISH_INLINE i64 last_offset(const TapAxis& a) { return a.taps == 0 ? 0 : a.offset[a.taps - 1]; }

// Input positions that taps of output positions [p0, p1) read, pads included.
KERASISH_INLINE i64 reads_from(const TapAxis& a, i64 p0) { return p0 * a.step + first_offset(a); }
KERASISH_INLINE i64 reads_to(const TapAxis& a, i64 p1) { return (p1 - 1) * a.step + last_offset(a) + 1; }

KERASISH_INLINE bool reads_pads(const TapAxis& a) { return reads_from(a, 0) < 0 || reads_to(a, a.out) > a.in; }

// Where input position (row, column) of depth tap t begins: base[depth[t] + row * row_stride + column * pixel].
// Depth taps outside of the image are -1; rows outside of it must not be read.
template <class T>
struct Strip {
  const T* base;
  i64 row_stride, pixel;
  i64 origin;   // added to every place
  i64* depth;   // [taps of axis 0]: offset, or -1 outside
};

// How many numbers a copy for tasks of `rows` x `cols` positions takes at most.
inline i64 strip_size(const TapSum& c, i64 rows, i64 cols) {
  const TapAxis &h = c.axis[1], &w = c.axis[2];
  const i64 height = least(h.in, reads_to(h, rows) - reads_from(h, 0));
  const i64 width = reads_to(w, cols) - reads_from(w, 0);
  return c.axis[0].taps * most(height, 0) * most(width, 0) * w.in_stride;
}

template <class T>
inline void copy_row(T* to, const T* row, const TapAxis& w, i64 begin, i64 end) {
  const i64 from = least(most(begin, 0), end), until = most(least(end, w.in), from);
  const i64 pixel = w.in_stride;
  std::memset(to, 0, static_cast<std::size_t>((from - begin) * pixel) * sizeof(T));
  if (from < until) {
    std::memcpy(to + (from - begin) * pixel, row + from * pixel, static_cast<std::size_t>((until - from) * pixel) * sizeof(T));
  }
  std::memset(to + (until - begin) * pixel, 0, static_cast<std::size_t>((end - until) * pixel) * sizeof(T));
}

// The strip of a region. With `buffer` null it is the image itself, which must then have all columns that are read.
template <class T>
inline Strip<T> take_strip(const TapSum& c, const Region& r, T* buffer, i64* depth) {
  const TapAxis &d = c.axis[0], &h = c.axis[1], &w = c.axis[2];
  const T* image = static_cast<const T*>(c.x) + r.image * c.x_image;
  const i64 top = most(reads_from(h, r.h0), 0), bottom = least(reads_to(h, r.h1), h.in);
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
        copy_row(buffer + slot, image + z * d.in_stride + y * h.in_stride, w, begin, end);
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
