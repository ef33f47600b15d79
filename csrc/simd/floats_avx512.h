// The operations of floats_plain.h on AVX-512 (F, DQ), sixteen lanes wide. Included between
// TD7_BEGIN_TARGET and TD7_END_TARGET, after <immintrin.h> and floats_plain.h.
//
// The masked forms with a full mask are the plain instructions; GCC 12 warns of its own definitions
// of the unmasked ones, which leave an operand undefined (its bug 105593).
#ifndef TD7_SIMD_FLOATS_AVX512_H_
#define TD7_SIMD_FLOATS_AVX512_H_

namespace td7 {

struct Avx512Floats {
  static constexpr int kCount = 16;
  static constexpr int kMostRows = 8;
  static constexpr int kAccumulators = 16;
  using Reals = __m512;

  static Reals All(float x) { return _mm512_set1_ps(x); }
  static Reals Load(const float* from) { return _mm512_loadu_ps(from); }
  static void Store(Reals x, float* to) { _mm512_storeu_ps(to, x); }
  static void LoadPair(const float* from, Reals* first, Reals* second) {
    *first = Load(from);
    *second = Load(from + 16);
  }
  static void LoadPair(const Bfloat16Pair* from, Reals* first, Reals* second) {
    const __m512i halves = _mm512_loadu_si512(from);
    *first = OfBits(_mm512_maskz_slli_epi32(kEvery, halves, 16));
    *second = OfBits(_mm512_and_si512(halves, _mm512_set1_epi32(-0x10000)));
  }

  static Reals Add(Reals a, Reals b) { return _mm512_add_ps(a, b); }
  static Reals Sub(Reals a, Reals b) { return _mm512_sub_ps(a, b); }
  static Reals Mul(Reals a, Reals b) { return _mm512_mul_ps(a, b); }
  static Reals Div(Reals a, Reals b) { return _mm512_div_ps(a, b); }
  static Reals Fma(Reals a, Reals b, Reals c) { return _mm512_fmadd_ps(a, b, c); }
  static Reals Max(Reals a, Reals b) { return _mm512_maskz_max_ps(kEvery, a, b); }
  static Reals PositiveOr(Reals x, Reals y) {
    return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ), x);
  }
  static Reals Abs(Reals x) { return _mm512_maskz_andnot_ps(kEvery, All(-0.0F), x); }
  static Reals CopySign(Reals a, Reals b) {
    const Reals sign = _mm512_maskz_and_ps(kEvery, All(-0.0F), b);
    return _mm512_maskz_or_ps(kEvery, Abs(a), sign);
  }
  static Reals PowerOfTwo(Reals x) {
    const __m512i exponent = _mm512_maskz_slli_epi32(kEvery, _mm512_castps_si512(x), 23);
    return OfBits(_mm512_add_epi32(exponent, _mm512_set1_epi32(0x3F800000)));
  }

 private:
  static constexpr __mmask16 kEvery = 0xFFFF;
  static Reals OfBits(__m512i bits) { return _mm512_castsi512_ps(bits); }
};

}  // namespace td7

#endif  // TD7_SIMD_FLOATS_AVX512_H_
