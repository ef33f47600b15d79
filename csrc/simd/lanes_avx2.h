// The operations of lanes_plain.h on AVX2. Included between TD7_BEGIN_TARGET and TD7_END_TARGET,
// after <immintrin.h>, <cstddef> and <cstdint>.
#ifndef TD7_SIMD_LANES_AVX2_H_
#define TD7_SIMD_LANES_AVX2_H_

namespace td7 {
namespace {

struct Avx2Lanes {
  static constexpr std::size_t kCount = 4;
  using Reals = __m256d;
  using Words = __m256i;

  static Reals All(double x) { return _mm256_set1_pd(x); }
  static Words AllWords(std::uint64_t x) { return _mm256_set1_epi64x(static_cast<long long>(x)); }
  static Words Iota() { return _mm256_set_epi64x(3, 2, 1, 0); }
  static Reals Load(const double* from) { return _mm256_loadu_pd(from); }
  static Reals LoadFloats(const float* from) { return _mm256_cvtps_pd(_mm_loadu_ps(from)); }
  static Words LoadWords(const std::int64_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static void StoreFloats(Reals x, float* to) { _mm_storeu_ps(to, _mm256_cvtpd_ps(x)); }
  static void StoreWords(Words x, std::int64_t* to) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), x);
  }
  static void StoreInterleaved(Reals a, Reals b, double* to) {
    const Reals even = _mm256_unpacklo_pd(a, b);  // a0 b0 a2 b2
    const Reals odd = _mm256_unpackhi_pd(a, b);   // a1 b1 a3 b3
    _mm256_storeu_pd(to, _mm256_permute2f128_pd(even, odd, 0x20));
    _mm256_storeu_pd(to + 4, _mm256_permute2f128_pd(even, odd, 0x31));
  }

  static Reals Add(Reals a, Reals b) { return _mm256_add_pd(a, b); }
  static Reals Sub(Reals a, Reals b) { return _mm256_sub_pd(a, b); }
  static Reals Mul(Reals a, Reals b) { return _mm256_mul_pd(a, b); }
  static Reals Div(Reals a, Reals b) { return _mm256_div_pd(a, b); }
  static Reals Max(Reals a, Reals b) { return _mm256_max_pd(a, b); }
  static Words CountNotAbove(Words count, Reals x, Reals y) {
    return _mm256_sub_epi64(count, _mm256_castpd_si256(_mm256_cmp_pd(x, y, _CMP_LE_OQ)));
  }

  static Words AddWords(Words a, Words b) { return _mm256_add_epi64(a, b); }
  static Words SubWords(Words a, Words b) { return _mm256_sub_epi64(a, b); }
  static Words Or(Words a, Words b) { return _mm256_or_si256(a, b); }
  static Words And(Words a, Words b) { return _mm256_and_si256(a, b); }
  static Words Xor(Words a, Words b) { return _mm256_xor_si256(a, b); }
  template <int bits>
  static Words ShiftLeft(Words a) {
    return _mm256_slli_epi64(a, bits);
  }
  template <int bits>
  static Words ShiftRight(Words a) {
    return _mm256_srli_epi64(a, bits);
  }
  static Words MulLow(Words a, Words b) { return _mm256_mul_epu32(a, b); }
  static Words BitsOf(Reals x) { return _mm256_castpd_si256(x); }
  static Reals OfBits(Words bits) { return _mm256_castsi256_pd(bits); }

  static void LoadColumns(const float* from, const std::int64_t* rows, Reals (&columns)[4]) {
    __m128 a = _mm_loadu_ps(from + 16 * rows[0]);
    __m128 b = _mm_loadu_ps(from + 16 * rows[1]);
    __m128 c = _mm_loadu_ps(from + 16 * rows[2]);
    __m128 d = _mm_loadu_ps(from + 16 * rows[3]);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    columns[0] = _mm256_cvtps_pd(a);
    columns[1] = _mm256_cvtps_pd(b);
    columns[2] = _mm256_cvtps_pd(c);
    columns[3] = _mm256_cvtps_pd(d);
  }
};

}  // namespace
}  // namespace td7

#endif  // TD7_SIMD_LANES_AVX2_H_
