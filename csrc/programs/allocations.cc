#include "programs/allocations.h"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TD7_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TD7_SANITIZED 1
#endif

// A program's malloc serves its libraries only if they can see it, whatever else is hidden.
#if defined(__GNUC__) || defined(__clang__)
#define TD7_FOR_ALL __attribute__((visibility("default")))
#else
#define TD7_FOR_ALL
#endif

namespace {
std::atomic<std::int64_t> calls{0};

void Count() { calls.fetch_add(1, std::memory_order_relaxed); }
}  // namespace

std::int64_t td7::Allocations() { return calls.load(std::memory_order_relaxed); }

#if defined(__GLIBC__) && !defined(TD7_SANITIZED)

extern "C" {
// glibc's own entries beside those that a program may replace
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t n, std::size_t bytes);
void* __libc_realloc(void* memory, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);

// freeing stays glibc's: this memory is
TD7_FOR_ALL void* malloc(std::size_t bytes) noexcept {
  Count();
  return __libc_malloc(bytes);
}

TD7_FOR_ALL void* calloc(std::size_t n, std::size_t bytes) noexcept {
  Count();
  return __libc_calloc(n, bytes);
}

TD7_FOR_ALL void* realloc(void* memory, std::size_t bytes) noexcept {
  Count();
  return __libc_realloc(memory, bytes);
}

TD7_FOR_ALL void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
  Count();
  return __libc_memalign(alignment, bytes);
}

TD7_FOR_ALL void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  Count();
  return __libc_memalign(alignment, bytes);
}

TD7_FOR_ALL int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) noexcept {
  Count();
  const bool power = alignment != 0 && (alignment & (alignment - 1)) == 0;
  if (!power || alignment % sizeof(void*) != 0) return EINVAL;
  void* const found = __libc_memalign(alignment, bytes);
  if (found == nullptr) return ENOMEM;
  *memory = found;
  return 0;
}
}

#else

namespace {
void* Allocate(std::size_t bytes, std::size_t alignment) {
  Count();
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, bytes == 0 ? 1 : bytes) != 0) throw std::bad_alloc();
  return memory;
}
}  // namespace

TD7_FOR_ALL void* operator new(std::size_t bytes) {
  return Allocate(bytes, alignof(std::max_align_t));
}
TD7_FOR_ALL void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return Allocate(bytes, static_cast<std::size_t>(alignment));
}
TD7_FOR_ALL void operator delete(void* memory) noexcept { std::free(memory); }
TD7_FOR_ALL void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
TD7_FOR_ALL void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
TD7_FOR_ALL void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

#endif
