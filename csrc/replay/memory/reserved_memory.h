// A block of address space that costs memory only where it is written.
//
// The whole block is reserved up front, so pointers into it never move; the system commits zeroed
// pages at their first write. Blocks of kHugeFrom bytes and more are aligned to huge pages and ask
// for them; smaller ones ask for ordinary pages, so that CommittedBytes() counts what is really
// held. Where there is no mmap, and under AddressSanitizer, the block is allocated as a whole and
// in its exact size.
#ifndef TD7_REPLAY_MEMORY_RESERVED_MEMORY_H_
#define TD7_REPLAY_MEMORY_RESERVED_MEMORY_H_

#include <cstddef>

namespace td7 {

// Owns its block; movable, not copyable. Throws std::bad_alloc if it cannot be reserved.
class ReservedMemory {
 public:
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;
  static constexpr std::size_t kHugeFrom = 2 * kHugePage;

  explicit ReservedMemory(std::size_t bytes);
  ~ReservedMemory();
  ReservedMemory(ReservedMemory&& other) noexcept;
  ReservedMemory& operator=(ReservedMemory&& other) noexcept;

  // The first byte, at least 64-byte aligned; all bytes read as zero until they are written.
  void* data() const { return data_; }

  // Bytes that the system holds once the first `used` bytes have been written: rounded up to whole
  // pages, huge ones only where the system gives them.
  std::size_t CommittedBytes(std::size_t used) const;

 private:
  void Free() noexcept;

  void* mapping_ = nullptr;
  void* data_ = nullptr;
  std::size_t mapped_ = 0;
  std::size_t page_ = 0;
};

}  // namespace td7

#endif  // TD7_REPLAY_MEMORY_RESERVED_MEMORY_H_
