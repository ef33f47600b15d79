// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011), 53-bit uniforms and standard normals.
//
// Every number is a pure function of (seed, stream, counter, index):
//
//   key           = { seed low, seed high }
//   counter words = { block, counter low, counter high, stream }
//
//   seed     64 bits, one per member
//   stream   32-bit FNV-1a hash of the stream's name; a seed's streams are independent
//   counter  64 bits, advanced by the owner of the stream by one per call that draws
//   index    32 bits, the number's place in a call; block b holds the numbers 2b and 2b + 1
//
// There is no state, hence nothing to save but the counter, and any number can be made alone, in
// any order and on any thread. Uniforms have the same bits on every machine. Normals go through the
// C library's log, sin and cos in double before they are rounded to float32, so two machines may
// differ in the last bit about once in 1e8 draws.
//
// Thread safety: all functions are pure. No std:: distribution is used: they differ between
// standard libraries.
#ifndef TD7_RANDOM_PHILOX_H_
#define TD7_RANDOM_PHILOX_H_

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace td7 {

using PhiloxBlock = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

// The ten-round bijection itself; matches the known-answer vectors of the Random123 library.
inline PhiloxBlock Philox4x32(PhiloxBlock counter, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53U} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57U} * counter[2];
    counter = {
        static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
        static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9U;
    key[1] += 0xBB67AE85U;
  }
  return counter;
}

// 32-bit FNV-1a of a stream's name.
constexpr std::uint32_t StreamId(std::string_view name) {
  std::uint32_t hash = 2166136261U;
  for (const char letter : name) {
    hash = (hash ^ static_cast<std::uint8_t>(letter)) * 16777619U;
  }
  return hash;
}

// A uniform in [0, 1) on the grid of multiples of 2^-53.
inline double Uniform53(std::uint32_t low, std::uint32_t high) {
  const std::uint64_t bits = (std::uint64_t{high} << 32) | low;
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

// The numbers of one (seed, stream, counter).
class PhiloxStream {
 public:
  PhiloxStream(std::uint64_t seed, std::uint32_t stream, std::uint64_t counter)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
        counter_low_(static_cast<std::uint32_t>(counter)),
        counter_high_(static_cast<std::uint32_t>(counter >> 32)),
        stream_(stream) {}

  PhiloxKey key() const { return key_; }

  // The counter words of a block.
  PhiloxBlock Words(std::uint32_t block) const {
    return {block, counter_low_, counter_high_, stream_};
  }

  PhiloxBlock Block(std::uint32_t block) const { return Philox4x32(Words(block), key_); }

  // The uniform at `index`.
  double Uniform(std::uint32_t index) const {
    const PhiloxBlock words = Block(index / 2);
    return index % 2 == 0 ? Uniform53(words[0], words[1]) : Uniform53(words[2], words[3]);
  }

  // out[i] = the uniform at first + i. REQUIRES: first + n <= 2^32.
  void FillUniform(std::uint32_t first, std::size_t n, double* out) const {
    std::size_t i = 0;
    if (first % 2 == 1 && n > 0) out[i++] = Uniform(first);
    for (; i + 2 <= n; i += 2) {
      const PhiloxBlock words = Block((first + static_cast<std::uint32_t>(i)) / 2);
      out[i] = Uniform53(words[0], words[1]);
      out[i + 1] = Uniform53(words[2], words[3]);
    }
    if (i < n) out[i] = Uniform(first + static_cast<std::uint32_t>(i));
  }

  // out[i] = the standard normal at index i (Box-Muller in double, rounded once). REQUIRES: n <=
  // 2^32.
  void FillNormal(std::size_t n, float* out) const {
    for (std::size_t i = 0; i < n; i += 2) {
      const std::array<double, 2> pair = NormalPair(Block(static_cast<std::uint32_t>(i / 2)));
      out[i] = static_cast<float>(pair[0]);
      if (i + 1 < n) out[i + 1] = static_cast<float>(pair[1]);
    }
  }

  // Two standard normals from one block. The uniform under the logarithm is mirrored to (0, 1],
  // exactly, so that a block of zeros gives a radius of 0 and not infinity; the largest radius is
  // sqrt(2 * 53 * log 2) = 8.57.
  static std::array<double, 2> NormalPair(const PhiloxBlock& words) {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - Uniform53(words[0], words[1])));
    const double angle = 6.283185307179586 * Uniform53(words[2], words[3]);
    return {radius * std::cos(angle), radius * std::sin(angle)};
  }

 private:
  PhiloxKey key_;
  std::uint32_t counter_low_;
  std::uint32_t counter_high_;
  std::uint32_t stream_;
};

}  // namespace td7

#endif  // TD7_RANDOM_PHILOX_H_
