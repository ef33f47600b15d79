// Four doubles, or four 64-bit words, side by side in plain C++: the meaning of the operations that
// lanes_avx2.h and lanes_avx512.h have instructions for.
#ifndef TD7_SIMD_LANES_PLAIN_H_
#define TD7_SIMD_LANES_PLAIN_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace td7 {
namespace {

struct PlainLanes {
  static constexpr std::size_t kCount = 4;
  struct Reals {
    double lane[kCount];
  };
  struct Words {
    std::uint64_t lane[kCount];
  };

  template <typename Out, typename F>
  static Out Each(const F& f) {
    Out out;
    for (std::size_t i = 0; i < kCount; ++i) out.lane[i] = f(i);
    return out;
  }

  static Reals All(double x) {
    return Each<Reals>([&](std::size_t) { return x; });
  }
  static Words AllWords(std::uint64_t x) {
    return Each<Words>([&](std::size_t) { return x; });
  }
  static Words Iota() {
    return Each<Words>([](std::size_t i) { return std::uint64_t{i}; });
  }
  static Reals Load(const double* from) {
    return Each<Reals>([&](std::size_t i) { return from[i]; });
  }
  static Reals LoadFloats(const float* from) {
    return Each<Reals>([&](std::size_t i) { return static_cast<double>(from[i]); });
  }
  static Words LoadWords(const std::int64_t* from) {
    return Each<Words>([&](std::size_t i) { return static_cast<std::uint64_t>(from[i]); });
  }
  static void StoreFloats(Reals x, float* to) {
    for (std::size_t i = 0; i < kCount; ++i) to[i] = static_cast<float>(x.lane[i]);
  }
  static void StoreWords(Words x, std::int64_t* to) {
    for (std::size_t i = 0; i < kCount; ++i) to[i] = static_cast<std::int64_t>(x.lane[i]);
  }
  // a0 b0 a1 b1 ...
  static void StoreInterleaved(Reals a, Reals b, double* to) {
    for (std::size_t i = 0; i < kCount; ++i) {
      to[2 * i] = a.lane[i];
      to[2 * i + 1] = b.lane[i];
    }
  }

  static Reals Add(Reals a, Reals b) {
    return Each<Reals>([&](std::size_t i) { return a.lane[i] + b.lane[i]; });
  }
  static Reals Sub(Reals a, Reals b) {
    return Each<Reals>([&](std::size_t i) { return a.lane[i] - b.lane[i]; });
  }
  static Reals Mul(Reals a, Reals b) {
    return Each<Reals>([&](std::size_t i) { return a.lane[i] * b.lane[i]; });
  }
  static Reals Div(Reals a, Reals b) {
    return Each<Reals>([&](std::size_t i) { return a.lane[i] / b.lane[i]; });
  }
  static Reals Max(Reals a, Reals b) {
    return Each<Reals>(
        [&](std::size_t i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
  }
  // count + 1 where x <= y
  static Words CountNotAbove(Words count, Reals x, Reals y) {
    return Each<Words>(
        [&](std::size_t i) { return count.lane[i] + std::uint64_t{x.lane[i] <= y.lane[i]}; });
  }

  static Words AddWords(Words a, Words b) {
    return Each<Words>([&](std::size_t i) { return a.lane[i] + b.lane[i]; });
  }
  static Words SubWords(Words a, Words b) {
    return Each<Words>([&](std::size_t i) { return a.lane[i] - b.lane[i]; });
  }
  static Words Or(Words a, Words b) {
    return Each<Words>([&](std::size_t i) { return a.lane[i] | b.lane[i]; });
  }
  static Words And(Words a, Words b) {
    return Each<Words>([&](std::size_t i) { return a.lane[i] & b.lane[i]; });
  }
  static Words Xor(Words a, Words b) {
    return Each<Words>([&](std::size_t i) { return a.lane[i] ^ b.lane[i]; });
  }
  template <int bits>
  static Words ShiftLeft(Words a) {
    return Each<Words>([&](std::size_t i) { return a.lane[i] << bits; });
  }
  template <int bits>
  static Words ShiftRight(Words a) {
    return Each<Words>([&](std::size_t i) { return a.lane[i] >> bits; });
  }
  // the product of the low halves
  static Words MulLow(Words a, Words b) {
    constexpr std::uint64_t kLow = 0xFFFFFFFFU;
    return Each<Words>([&](std::size_t i) { return (a.lane[i] & kLow) * (b.lane[i] & kLow); });
  }
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
    for (std::size_t j = 0; j < 4; ++j) {
      columns[j] = Each<Reals>([&](std::size_t i) {
        return static_cast<double>(from[16 * rows[i] + static_cast<std::int64_t>(j)]);
      });
    }
  }
};

}  // namespace
}  // namespace td7

#endif  // TD7_SIMD_LANES_PLAIN_H_
