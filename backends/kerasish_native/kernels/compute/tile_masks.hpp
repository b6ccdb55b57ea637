// Truth values a lane: what comparisons give and choices take, stored as bytes 0 and 1.
#pragma once

#include "math.hpp"

#if KERASISH_X86
#include <immintrin.h>
#endif

namespace kerasish {
namespace KERASISH_ISA {

enum class Comparison { equal, not_equal, less, less_equal, greater, greater_equal };

#if defined(__AVX512F__)

template <class T> struct MaskOf;
template <> struct MaskOf<float> { using M = __mmask16; };
template <> struct MaskOf<double> { using M = __mmask8; };
template <class T> using Mask = typename MaskOf<T>::M;

// The predicates of the instructions; all but not_equal are false for NaN.
constexpr int predicate(Comparison c) {
  constexpr int codes[] = {_CMP_EQ_OQ, _CMP_NEQ_UQ, _CMP_LT_OQ, _CMP_LE_OQ, _CMP_GT_OQ, _CMP_GE_OQ};
  return codes[static_cast<int>(c)];
}
template <Comparison c>
KERASISH_INLINE __mmask16 compare(f32v a, f32v b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, predicate(c)); }
template <Comparison c>
KERASISH_INLINE __mmask8 compare(f64v a, f64v b) { return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, predicate(c)); }

KERASISH_INLINE f32v select(__mmask16 m, f32v a, f32v b) { return (f32v)_mm512_mask_blend_ps(m, (__m512)b, (__m512)a); }
KERASISH_INLINE f64v select(__mmask8 m, f64v a, f64v b) { return (f64v)_mm512_mask_blend_pd(m, (__m512d)b, (__m512d)a); }

template <class T>
KERASISH_INLINE void store_bools(std::uint8_t* p, Mask<T> m, int count) {
  const __m128i bytes = _mm_maskz_set1_epi8(m, 1);
  if (count == 16) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
  } else if (count == 8) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), bytes);
  } else {
    _mm_mask_storeu_epi8(p, (__mmask16)((1u << count) - 1u), bytes);
  }
}
template <class T>
KERASISH_INLINE Mask<T> load_bools(const std::uint8_t* p, int count) {
  __m128i bytes;
  if (count == 16) {
    bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  } else if (count == 8) {
    bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  } else {
    bytes = _mm_maskz_loadu_epi8((__mmask16)((1u << count) - 1u), p);
  }
  return static_cast<Mask<T>>(_mm_test_epi8_mask(bytes, bytes));
}

#else

template <class T> struct MaskOf;
template <> struct MaskOf<float> { using M = i32v; };
template <> struct MaskOf<double> { using M = i64v; };
template <class T> using Mask = typename MaskOf<T>::M;

template <Comparison c, class V>
KERASISH_INLINE auto compare(V a, V b) {
  if constexpr (c == Comparison::equal) return a == b;
  else if constexpr (c == Comparison::not_equal) return a != b;
  else if constexpr (c == Comparison::less) return a < b;
  else if constexpr (c == Comparison::less_equal) return a <= b;
  else if constexpr (c == Comparison::greater) return a > b;
  else return a >= b;
}

KERASISH_INLINE f32v select(i32v m, f32v a, f32v b) { return m ? a : b; }
KERASISH_INLINE f64v select(i64v m, f64v a, f64v b) { return m ? a : b; }

template <class T>
KERASISH_INLINE void store_bools(std::uint8_t* p, Mask<T> m, int count) {
#if defined(__AVX2__)
  if (sizeof(T) == 4 && count == 8) {
    const __m256i wide = (__m256i)m;
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
    const __m128i bytes = _mm_packs_epi16(words, words);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_and_si128(bytes, _mm_set1_epi8(1)));
    return;
  }
#elif KERASISH_X86
  if (sizeof(T) == 4 && count == 4) {
    const __m128i words = _mm_packs_epi32((__m128i)m, (__m128i)m);
    const __m128i bytes = _mm_and_si128(_mm_packs_epi16(words, words), _mm_set1_epi8(1));
    const std::int32_t four = _mm_cvtsi128_si32(bytes);
    std::memcpy(p, &four, sizeof four);
    return;
  }
#endif
  for (int i = 0; i < count; ++i) p[i] = m[i] != 0;
}
template <class T>
KERASISH_INLINE Mask<T> load_bools(const std::uint8_t* p, int count) {
#if defined(__AVX2__)
  if (sizeof(T) == 4 && count == 8) {
    const __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    return (Mask<T>)_mm256_cmpgt_epi32(wide, _mm256_setzero_si256());
  }
#elif KERASISH_X86
  if (sizeof(T) == 4 && count == 4) {
    std::int32_t four;
    std::memcpy(&four, p, sizeof four);
    const __m128i zero = _mm_setzero_si128();
    const __m128i wide = _mm_unpacklo_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(four), zero), zero);
    return (Mask<T>)_mm_cmpgt_epi32(wide, zero);
  }
#endif
  Mask<T> m{};
  for (int i = 0; i < count; ++i) m[i] = p[i] != 0 ? -1 : 0;
  return m;
}

#endif

}  // namespace KERASISH_ISA
}  // namespace kerasish
