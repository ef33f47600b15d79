// One double, or one 64-bit word, in plain C++: the meaning of the operations that lanes_avx2.h and
// lanes_avx512.h do side by side. One lane is what was fastest of 1, 2, 4 and 8.
#ifndef TD7_SIMD_LANES_PLAIN_H_
#define TD7_SIMD_LANES_PLAIN_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace td7 {
namespace {

struct PlainLanes {
  static constexpr std::size_t kCount = 1;
  using Reals = double;
  using Words = std::uint64_t;

  static Reals All(double x) { return x; }
  static Words AllWords(std::uint64_t x) { return x; }
  static Words Iota() { return 0; }  // the lanes' numbers
  static Reals Load(const double* from) { return *from; }
  static Reals LoadFloats(const float* from) { return static_cast<double>(*from); }
  static Words LoadWords(const std::int64_t* from) { return static_cast<Words>(*from); }
  static void StoreFloats(Reals x, float* to) { *to = static_cast<float>(x); }
  static void StoreWords(Words x, std::int64_t* to) { *to = static_cast<std::int64_t>(x); }
  // a0 b0 a1 b1 ...
  static void StoreInterleaved(Reals a, Reals b, double* to) {
    to[0] = a;
    to[1] = b;
  }

  static Reals Add(Reals a, Reals b) { return a + b; }
  static Reals Sub(Reals a, Reals b) { return a - b; }
  static Reals Mul(Reals a, Reals b) { return a * b; }
  static Reals Div(Reals a, Reals b) { return a / b; }
  static Reals Max(Reals a, Reals b) { return a > b ? a : b; }
  // count + 1 where x <= y
  static Words CountNotAbove(Words count, Reals x, Reals y) { return count + Words{x <= y}; }

  static Words AddWords(Words a, Words b) { return a + b; }
  static Words SubWords(Words a, Words b) { return a - b; }
  static Words Or(Words a, Words b) { return a | b; }
  static Words And(Words a, Words b) { return a & b; }
  static Words Xor(Words a, Words b) { return a ^ b; }
  template <int bits>
  static Words ShiftLeft(Words a) {
    return a << bits;
  }
  template <int bits>
  static Words ShiftRight(Words a) {
    return a >> bits;
  }
  // the product of the low halves
  static Words MulLow(Words a, Words b) { return (a & 0xFFFFFFFFU) * (b & 0xFFFFFFFFU); }
  static Words BitsOf(Reals x) {
    Words bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
  }
  static Reals OfBits(Words bits) {
    Reals x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
  }

  // columns[j] = from[16 * rows[i] + j] in lane i, widened
  static void LoadColumns(const float* from, const std::int64_t* rows, Reals (&columns)[4]) {
    for (int j = 0; j < 4; ++j) columns[j] = static_cast<double>(from[16 * rows[0] + j]);
  }
};

}  // namespace
}  // namespace td7

#endif  // TD7_SIMD_LANES_PLAIN_H_
