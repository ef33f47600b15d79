// XXH64 with seed 0 (Yann Collet's public specification), fed piece by piece: finds accidents in
// files at the speed of memory. It is no protection against an attacker. Little-endian machines
// only, like the files it is used for.
#ifndef TD7_REPLAY_FILES_CHECKSUM_H_
#define TD7_REPLAY_FILES_CHECKSUM_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace td7 {

class Checksum {
 public:
  void Add(const void* data, std::size_t bytes) {
    const auto* here = static_cast<const unsigned char*>(data);
    total_ += bytes;
    if (held_ > 0) {  // fill up the piece left from before
      const std::size_t take = bytes < kStripe - held_ ? bytes : kStripe - held_;
      std::memcpy(rest_.data() + held_, here, take);
      held_ += take;
      here += take;
      bytes -= take;
      if (held_ < kStripe) return;
      Stripe(rest_.data());
      held_ = 0;
    }
    for (; bytes >= kStripe; here += kStripe, bytes -= kStripe) Stripe(here);
    if (bytes > 0) std::memcpy(rest_.data(), here, bytes);
    held_ = bytes;
  }

  // The checksum of all bytes added so far.
  std::uint64_t Value() const {
    std::uint64_t hash = kPrime5;
    if (total_ >= kStripe) {
      hash =
          Rotate(lane_[0], 1) + Rotate(lane_[1], 7) + Rotate(lane_[2], 12) + Rotate(lane_[3], 18);
      for (const std::uint64_t lane : lane_) hash = (hash ^ Round(0, lane)) * kPrime1 + kPrime4;
    }
    hash += total_;
    std::size_t i = 0;
    for (; i + 8 <= held_; i += 8) {
      hash = Rotate(hash ^ Round(0, Load<std::uint64_t>(&rest_[i])), 27) * kPrime1 + kPrime4;
    }
    if (i + 4 <= held_) {
      hash = Rotate(hash ^ (Load<std::uint32_t>(&rest_[i]) * kPrime1), 23) * kPrime2 + kPrime3;
      i += 4;
    }
    for (; i < held_; ++i) hash = Rotate(hash ^ (rest_[i] * kPrime5), 11) * kPrime1;
    hash = (hash ^ (hash >> 33)) * kPrime2;
    hash = (hash ^ (hash >> 29)) * kPrime3;
    return hash ^ (hash >> 32);
  }

 private:
  static constexpr std::uint64_t kPrime1 = 0x9E3779B185EBCA87U;
  static constexpr std::uint64_t kPrime2 = 0xC2B2AE3D27D4EB4FU;
  static constexpr std::uint64_t kPrime3 = 0x165667B19E3779F9U;
  static constexpr std::uint64_t kPrime4 = 0x85EBCA77C2B2AE63U;
  static constexpr std::uint64_t kPrime5 = 0x27D4EB2F165667C5U;
  static constexpr std::size_t kStripe = 32;

  static std::uint64_t Rotate(std::uint64_t x, int bits) { return x << bits | x >> (64 - bits); }

  static std::uint64_t Round(std::uint64_t lane, std::uint64_t word) {
    return Rotate(lane + word * kPrime2, 31) * kPrime1;
  }

  template <typename T>
  static T Load(const unsigned char* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }

  void Stripe(const unsigned char* from) {
    for (std::size_t i = 0; i < 4; ++i)
      lane_[i] = Round(lane_[i], Load<std::uint64_t>(from + 8 * i));
  }

  std::array<std::uint64_t, 4> lane_{kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1};
  std::array<unsigned char, kStripe> rest_{};
  std::size_t held_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace td7

#endif  // TD7_REPLAY_FILES_CHECKSUM_H_
