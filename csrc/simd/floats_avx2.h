// The operations of floats_plain.h on AVX2 and FMA, eight lanes wide. Included between
// TD7_BEGIN_TARGET and TD7_END_TARGET, after <immintrin.h> and floats_plain.h.
#ifndef TD7_SIMD_FLOATS_AVX2_H_
#define TD7_SIMD_FLOATS_AVX2_H_

namespace td7 {

struct Avx2Floats {
  static constexpr int kCount = 8;
  static constexpr int kMostRows = 4;
  static constexpr int kAccumulators = 8;
  using Reals = __m256;

  static Reals All(float x) { return _mm256_set1_ps(x); }
  static Reals Load(const float* from) { return _mm256_loadu_ps(from); }
  static void Store(Reals x, float* to) { _mm256_storeu_ps(to, x); }
  static void LoadPair(const float* from, Reals* first, Reals* second) {
    *first = Load(from);
    *second = Load(from + 16);
  }
  static void LoadPair(const Bfloat16Pair* from, Reals* first, Reals* second) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    *first = OfBits(_mm256_slli_epi32(halves, 16));
    *second = OfBits(_mm256_and_si256(halves, _mm256_set1_epi32(-0x10000)));
  }

  static Reals Add(Reals a, Reals b) { return _mm256_add_ps(a, b); }
  static Reals Sub(Reals a, Reals b) { return _mm256_sub_ps(a, b); }
  static Reals Mul(Reals a, Reals b) { return _mm256_mul_ps(a, b); }
  static Reals Div(Reals a, Reals b) { return _mm256_div_ps(a, b); }
  static Reals Fma(Reals a, Reals b, Reals c) { return _mm256_fmadd_ps(a, b, c); }
  static Reals Max(Reals a, Reals b) { return _mm256_max_ps(a, b); }
  static Reals PositiveOr(Reals x, Reals y) {
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GT_OQ));
  }
  static Reals Abs(Reals x) { return _mm256_andnot_ps(All(-0.0F), x); }
  static Reals CopySign(Reals a, Reals b) {
    return _mm256_or_ps(Abs(a), _mm256_and_ps(All(-0.0F), b));
  }
  static Reals PowerOfTwo(Reals x) {
    const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(x), 23);
    return OfBits(_mm256_add_epi32(exponent, _mm256_set1_epi32(0x3F800000)));
  }

 private:
  static Reals OfBits(__m256i bits) { return _mm256_castsi256_ps(bits); }
};

}  // namespace td7

#endif  // TD7_SIMD_FLOATS_AVX2_H_
