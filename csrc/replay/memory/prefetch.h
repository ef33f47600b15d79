// Hints to the processor about memory that will be read soon.
#ifndef TD7_REPLAY_MEMORY_PREFETCH_H_
#define TD7_REPLAY_MEMORY_PREFETCH_H_

#include <cstddef>

namespace td7 {

// Asks the processor to load the `bytes` at `address` into its second-level cache; any address is
// allowed. The first level is left alone: it has few places for loads on their way, and once they
// are taken the processor waits.
inline void Prefetch(const void* address, std::size_t bytes) {
#if defined(__GNUC__) || defined(__clang__)
  const char* first = static_cast<const char*>(address);
  for (std::size_t offset = 0; offset < bytes; offset += 64)
    __builtin_prefetch(first + offset, 0, 2);
  if (bytes % 64 != 0) __builtin_prefetch(first + bytes - 1, 0, 2);
#else
  (void)address;
  (void)bytes;
#endif
}

}  // namespace td7

#endif  // TD7_REPLAY_MEMORY_PREFETCH_H_
