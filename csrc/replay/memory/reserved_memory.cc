#include "replay/memory/reserved_memory.h"

#include <cstdint>
#include <cstring>
#include <fstream>
#include <new>
#include <string>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#define TD7_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TD7_ASAN 1
#endif
#endif

#if (defined(__unix__) || defined(__APPLE__)) && !defined(TD7_ASAN)
#include <sys/mman.h>
#include <unistd.h>
#define TD7_HAS_MMAP 1
#endif

namespace td7 {
namespace {

#ifdef TD7_HAS_MMAP
void* AlignUp(void* pointer, std::size_t alignment) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  return reinterpret_cast<void*>((address + alignment - 1) / alignment * alignment);
}

// Whether the system gives huge pages to who asks for them.
bool HugePagesApply() {
  static const bool apply = [] {
    std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
    std::string choice;
    return std::getline(file, choice) && choice.find("[never]") == std::string::npos;
  }();
  return apply;
}
#else
constexpr std::align_val_t kAlignment{64};
#endif

}  // namespace

#ifdef TD7_HAS_MMAP
ReservedMemory::ReservedMemory(std::size_t bytes) {
  const auto small = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const bool huge = bytes >= kHugeFrom && HugePagesApply();
  page_ = huge ? kHugePage : small;
  // one page more than asked, so that the start can be aligned to it
  mapped_ = (bytes + page_ - 1) / page_ * page_ + page_;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS;
#ifdef MAP_NORESERVE
  flags |= MAP_NORESERVE;
#endif
  mapping_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (mapping_ == MAP_FAILED) {
    mapping_ = nullptr;
    throw std::bad_alloc();
  }
  data_ = AlignUp(mapping_, page_);
#ifdef MADV_HUGEPAGE
  // only advice: where it is refused nothing changes but speed and the size of what is committed
  if (madvise(mapping_, mapped_, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) != 0) page_ = small;
#endif
}
#else
// Under AddressSanitizer too: the block then ends where it was asked to end, and what is read or
// written beyond is seen.
ReservedMemory::ReservedMemory(std::size_t bytes) {
  mapped_ = bytes;
  mapping_ = ::operator new(bytes, kAlignment);
  std::memset(mapping_, 0, bytes);
  data_ = mapping_;
}
#endif

ReservedMemory::~ReservedMemory() { Free(); }

ReservedMemory::ReservedMemory(ReservedMemory&& other) noexcept { *this = std::move(other); }

ReservedMemory& ReservedMemory::operator=(ReservedMemory&& other) noexcept {
  if (this != &other) {
    Free();
    mapping_ = std::exchange(other.mapping_, nullptr);
    data_ = std::exchange(other.data_, nullptr);
    mapped_ = std::exchange(other.mapped_, 0);
    page_ = other.page_;
  }
  return *this;
}

std::size_t ReservedMemory::CommittedBytes(std::size_t used) const {
#ifdef TD7_HAS_MMAP
  return (used + page_ - 1) / page_ * page_;
#else
  (void)used;
  return mapped_;
#endif
}

void ReservedMemory::Free() noexcept {
  if (mapping_ == nullptr) return;
#ifdef TD7_HAS_MMAP
  munmap(mapping_, mapped_);
#else
  ::operator delete(mapping_, kAlignment);
#endif
  mapping_ = nullptr;
}

}  // namespace td7
