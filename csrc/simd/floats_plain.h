// Four float32 lanes of the compiler's baseline (SSE2 on x86-64, NEON on arm64): the meaning of the
// operations that floats_avx2.h and floats_avx512.h do with more lanes. All three give the same
// bits but for Fma, which rounds once only where the baseline has the instruction.
#ifndef TD7_SIMD_FLOATS_PLAIN_H_
#define TD7_SIMD_FLOATS_PLAIN_H_

#ifdef __aarch64__
#include <arm_neon.h>
#endif

#include <cstdint>
#include <cstring>

namespace td7 {

// Two weights rounded to bfloat16: the first in the low half, the second in the high half.
struct Bfloat16Pair {
  std::uint32_t halves;
};

struct PlainFloats {
  static constexpr int kCount = 4;
  static constexpr int kMostRows = 4;      // that are worked on at once
  static constexpr int kAccumulators = 8;  // vectors kept in registers at once
  typedef float Reals __attribute__((vector_size(16)));
  typedef std::uint32_t Words __attribute__((vector_size(16)));

  static Reals All(float x) { return Reals{x, x, x, x}; }
  static Reals Load(const float* from) {
    Reals x;
    std::memcpy(&x, from, sizeof x);
    return x;
  }
  static void Store(Reals x, float* to) { std::memcpy(to, &x, sizeof x); }

  // Lane i of `first` is the weight at from[i], of `second` the one 16 further.
  static void LoadPair(const float* from, Reals* first, Reals* second) {
    *first = Load(from);
    *second = Load(from + 16);
  }
  static void LoadPair(const Bfloat16Pair* from, Reals* first, Reals* second) {
    Words halves;
    std::memcpy(&halves, from, sizeof halves);
    *first = OfBits(halves << 16);
    *second = OfBits(halves & 0xFFFF0000U);
  }

  static Reals Add(Reals a, Reals b) { return a + b; }
  static Reals Sub(Reals a, Reals b) { return a - b; }
  static Reals Mul(Reals a, Reals b) { return a * b; }
  static Reals Div(Reals a, Reals b) { return a / b; }
  static Reals Fma(Reals a, Reals b, Reals c) {  // a b + c
#ifdef __aarch64__
    return vfmaq_f32(c, a, b);
#else
    return a * b + c;
#endif
  }
  static Reals Max(Reals a, Reals b) { return Select(a > b, a, b); }  // b if either is NaN
  static Reals PositiveOr(Reals x, Reals y) { return Select(x > All(0.0F), x, y); }
  static Reals Abs(Reals x) { return OfBits(BitsOf(x) & 0x7FFFFFFFU); }
  // the magnitude of a, the sign of b
  static Reals CopySign(Reals a, Reals b) {
    return OfBits((BitsOf(a) & 0x7FFFFFFFU) | (BitsOf(b) & 0x80000000U));
  }
  // 2^n for x = 1.5 2^23 + n, -127 < n < 128; any number for any other x
  static Reals PowerOfTwo(Reals x) { return OfBits((BitsOf(x) << 23) + 0x3F800000U); }

 private:
  template <typename Mask>
  static Reals Select(Mask mask, Reals a, Reals b) {
    const Words chosen = reinterpret_cast<Words>(mask);
    return OfBits((BitsOf(a) & chosen) | (BitsOf(b) & ~chosen));
  }
  static Words BitsOf(Reals x) { return reinterpret_cast<Words>(x); }
  static Reals OfBits(Words bits) { return reinterpret_cast<Reals>(bits); }
};

}  // namespace td7

#endif  // TD7_SIMD_FLOATS_PLAIN_H_
