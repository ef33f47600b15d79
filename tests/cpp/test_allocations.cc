// Allocations of libraries are counted, too, and made as the standard says. Exits with 0 if all
// claims hold.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "check.h"
#include "programs/allocations.h"

namespace td7 {
namespace {

#if defined(__GLIBC__)
constexpr bool kReplaced = true;
#else
constexpr bool kReplaced = false;  // malloc stays the system's
#endif

void WhatTheLibraryOfCAllocatesIsCounted() {
  char* (*volatile copy)(const char*) = &strdup;
  const std::int64_t before = Allocations();
  std::free(copy("text"));
  CHECK(Allocations() == before + 1);
}

void AlignmentsThatAreNoneAreRefused() {
  int mark = 0;
  const std::size_t none[] = {0, 1, 3, 4, 24}, some[] = {8, 64, 4096};
  for (const std::size_t alignment : none) {
    void* memory = &mark;
    CHECK(posix_memalign(&memory, alignment, 8) == EINVAL && memory == &mark);
  }
  for (const std::size_t alignment : some) {
    void* memory = nullptr;
    CHECK(posix_memalign(&memory, alignment, 8) == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(memory) % alignment == 0);
    std::free(memory);
  }
}

}  // namespace
}  // namespace td7

int main() {
  if (!td7::kReplaced) return 0;
  td7::WhatTheLibraryOfCAllocatesIsCounted();
  td7::AlignmentsThatAreNoneAreRefused();
  return failures > 0 ? 1 : 0;
}
