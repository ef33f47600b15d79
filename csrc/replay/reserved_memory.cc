#include "replay/reserved_memory.h"

#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#define TD7_HAS_MMAP 1
#endif

namespace td7 {
namespace {

void* AlignUp(void* pointer, std::size_t alignment) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  return reinterpret_cast<void*>((address + alignment - 1) / alignment * alignment);
}

}  // namespace

ReservedMemory::ReservedMemory(std::size_t bytes) {
#ifdef TD7_HAS_MMAP
  const bool huge = bytes >= kHugeFrom;
  page_ = huge ? kHugePage : static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
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
  // only advice: a system without huge pages refuses it and nothing changes but speed
  (void)madvise(mapping_, mapped_, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
#else
  page_ = 64;
  mapped_ = (bytes + page_ - 1) / page_ * page_ + page_;
  mapping_ = std::calloc(mapped_, 1);
  if (mapping_ == nullptr) throw std::bad_alloc();
  data_ = AlignUp(mapping_, page_);
#endif
}

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
  std::free(mapping_);
#endif
  mapping_ = nullptr;
}

}  // namespace td7
