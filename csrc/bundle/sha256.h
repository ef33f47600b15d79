// SHA-256 (FIPS 180-4) of bytes that arrive in pieces.
//
// It tells a file that is torn or altered; it is not hardened against timing. Threads: one at a
// time for each object. Errors: none.
#ifndef TD7_BUNDLE_SHA256_H_
#define TD7_BUNDLE_SHA256_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace td7 {

class Sha256 {
 public:
  void Add(const void* data, std::size_t bytes);

  // The sum of all that was added, as 64 lower-case digits. Call once, at the end.
  std::string Hex();

 private:
  void Block(const unsigned char* bytes);

  std::array<std::uint32_t, 8> state_{0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                                      0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};
  std::array<unsigned char, 64> pending_{};
  std::uint64_t bytes_ = 0;
};

// A sum as people write it, in lower-case digits, or "" if it is none.
std::string ReadSum(std::string text);

// The sum of one text.
std::string Sha256Hex(const std::string& text);

}  // namespace td7

#endif  // TD7_BUNDLE_SHA256_H_
