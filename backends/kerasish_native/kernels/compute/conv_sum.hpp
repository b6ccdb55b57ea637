// The ways to compute a sum over taps; `sum` in conv_sum.cpp chooses.
#pragma once

#include "../families/conv.hpp"
#include "simd.hpp"

namespace kerasish {
namespace KERASISH_ISA {

// Any geometry.
template <class T>
void sum_direct(const TapSum& c);

// One channel of x and one of y in each group.
template <class T>
void sum_depthwise(const TapSum& c);
template <class T>
void weights_depthwise(const TapSum& c);
bool is_depthwise(const TapSum& c);

// Three by three neighbouring taps with step 1, in float32: Winograd's minimal filtering. Each returns whether it has
// done the sum; it does not where it would not be faster.
bool sum_winograd(const TapSum& c);
bool weights_winograd(const TapSum& c);

// Any geometry.
template <class T>
void weights_direct(const TapSum& c);

// Tells the epilogue of y that the rows of a region are finished.
void finish_rows(const TapSum& c, std::int64_t image, std::int64_t d, std::int64_t h0, std::int64_t h1, std::int64_t w0,
                 std::int64_t w1);

}  // namespace KERASISH_ISA
}  // namespace kerasish
