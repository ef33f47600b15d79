// replay/reserved_memory.h and row_store.h: what lies beyond the end is out of bounds for
// AddressSanitizer. Exits with 0 if all claims hold.
#include <cstddef>
#include <cstdint>
#include <utility>

#include "check.h"
#include "replay/memory/reserved_memory.h"
#include "replay/rows/row_store.h"

#if defined(__SANITIZE_ADDRESS__)
#define TD7_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TD7_ASAN 1
#endif
#endif
#ifdef TD7_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace td7 {
namespace {

bool CanBeUsed(const void* address) {
#ifdef TD7_ASAN
  return __asan_address_is_poisoned(address) == 0;
#else
  return address != nullptr;
#endif
}

void ABlockIsAlignedAndZeroAndEndsWhereItWasAskedTo() {
  for (const std::size_t bytes : {std::size_t{64}, std::size_t{1000}, std::size_t{5} << 20}) {
    ReservedMemory memory(bytes);
    const auto* first = static_cast<const unsigned char*>(memory.data());
    CHECK(reinterpret_cast<std::uintptr_t>(first) % 64 == 0);
    for (std::size_t i = 0; i < bytes; i += 40) CHECK(first[i] == 0);
    CHECK(CanBeUsed(first + bytes - 1));
#ifdef TD7_ASAN
    CHECK(!CanBeUsed(first + bytes));
#endif
    const ReservedMemory taken = std::move(memory);
    CHECK(taken.data() == first);
    CHECK(taken.CommittedBytes(1) >= 1);
  }
}

void RowsEndWithTheLastRow() {
  RowStore rows(10, 3, 1, "");
  const auto* last = reinterpret_cast<const unsigned char*>(rows.row(9));
  CHECK(CanBeUsed(last + rows.row_bytes() - 1));
#ifdef TD7_ASAN
  CHECK(!CanBeUsed(last + rows.row_bytes()));
#endif
}

}  // namespace
}  // namespace td7

int main() {
  td7::ABlockIsAlignedAndZeroAndEndsWhereItWasAskedTo();
  td7::RowsEndWithTheLastRow();
  return failures == 0 ? 0 : 1;
}
