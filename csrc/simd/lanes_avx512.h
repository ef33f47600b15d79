// The operations of lanes_plain.h on AVX-512 (F, DQ, VL), eight lanes wide. Included between
// TD7_BEGIN_TARGET and TD7_END_TARGET, after <immintrin.h>, <cstddef> and <cstdint>.
#ifndef TD7_SIMD_LANES_AVX512_H_
#define TD7_SIMD_LANES_AVX512_H_

namespace td7 {
namespace {

struct Avx512Lanes {
  static constexpr std::size_t kCount = 8;
  using Reals = __m512d;
  using Words = __m512i;

  static Reals All(double x) { return _mm512_set1_pd(x); }
  static Words AllWords(std::uint64_t x) { return _mm512_set1_epi64(static_cast<long long>(x)); }
  static Words Iota() { return _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0); }
  static Reals Load(const double* from) { return _mm512_loadu_pd(from); }
  static Reals LoadFloats(const float* from) { return _mm512_cvtps_pd(_mm256_loadu_ps(from)); }
  static Words LoadWords(const std::int64_t* from) { return _mm512_loadu_si512(from); }
  static void StoreFloats(Reals x, float* to) { _mm256_storeu_ps(to, _mm512_cvtpd_ps(x)); }
  static void StoreWords(Words x, std::int64_t* to) { _mm512_storeu_si512(to, x); }
  static void StoreInterleaved(Reals a, Reals b, double* to) {
    const Words first = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0);
    const Words second = _mm512_set_epi64(15, 7, 14, 6, 13, 5, 12, 4);
    _mm512_storeu_pd(to, _mm512_permutex2var_pd(a, first, b));
    _mm512_storeu_pd(to + 8, _mm512_permutex2var_pd(a, second, b));
  }

  static Reals Add(Reals a, Reals b) { return _mm512_add_pd(a, b); }
  static Reals Sub(Reals a, Reals b) { return _mm512_sub_pd(a, b); }
  static Reals Mul(Reals a, Reals b) { return _mm512_mul_pd(a, b); }
  static Reals Div(Reals a, Reals b) { return _mm512_div_pd(a, b); }
  static Reals Max(Reals a, Reals b) { return _mm512_max_pd(a, b); }
  static Words CountNotAbove(Words count, Reals x, Reals y) {
    const __mmask8 counted = _mm512_cmp_pd_mask(x, y, _CMP_LE_OQ);
    return _mm512_mask_add_epi64(count, counted, count, _mm512_set1_epi64(1));
  }

  static Words AddWords(Words a, Words b) { return _mm512_add_epi64(a, b); }
  static Words SubWords(Words a, Words b) { return _mm512_sub_epi64(a, b); }
  static Words Or(Words a, Words b) { return _mm512_or_si512(a, b); }
  static Words And(Words a, Words b) { return _mm512_and_si512(a, b); }
  static Words Xor(Words a, Words b) { return _mm512_xor_si512(a, b); }
  template <int bits>
  static Words ShiftLeft(Words a) {
    return _mm512_slli_epi64(a, bits);
  }
  template <int bits>
  static Words ShiftRight(Words a) {
    return _mm512_srli_epi64(a, bits);
  }
  static Words MulLow(Words a, Words b) { return _mm512_mul_epu32(a, b); }
  static Words BitsOf(Reals x) { return _mm512_castpd_si512(x); }
  static Reals OfBits(Words bits) { return _mm512_castsi512_pd(bits); }

  static void LoadColumns(const float* from, const std::int64_t* rows, Reals (&columns)[4]) {
    // rows i and i + 4 in the halves of one register, then two transpositions of 4 x 4 at once
    const __m256 a = TwoRows(from, rows[0], rows[4]);
    const __m256 b = TwoRows(from, rows[1], rows[5]);
    const __m256 c = TwoRows(from, rows[2], rows[6]);
    const __m256 d = TwoRows(from, rows[3], rows[7]);
    const __m256d ab_low = _mm256_castps_pd(_mm256_unpacklo_ps(a, b));  // a0 b0 a1 b1
    const __m256d ab_high = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
    const __m256d cd_low = _mm256_castps_pd(_mm256_unpacklo_ps(c, d));
    const __m256d cd_high = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
    columns[0] = Widen(_mm256_unpacklo_pd(ab_low, cd_low));
    columns[1] = Widen(_mm256_unpackhi_pd(ab_low, cd_low));
    columns[2] = Widen(_mm256_unpacklo_pd(ab_high, cd_high));
    columns[3] = Widen(_mm256_unpackhi_pd(ab_high, cd_high));
  }

 private:
  static __m256 TwoRows(const float* from, std::int64_t low, std::int64_t high) {
    const __m256 half = _mm256_castps128_ps256(_mm_loadu_ps(from + 16 * low));
    return _mm256_insertf128_ps(half, _mm_loadu_ps(from + 16 * high), 1);
  }
  static Reals Widen(__m256d floats) { return _mm512_cvtps_pd(_mm256_castpd_ps(floats)); }
};

}  // namespace
}  // namespace td7

#endif  // TD7_SIMD_LANES_AVX512_H_
