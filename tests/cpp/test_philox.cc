// random/philox.h: known answers and edges. Exits with 0 if all claims hold.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "check.h"
#include "random/philox.h"

namespace td7 {
namespace {

void MatchesTheKnownAnswers() {
  const PhiloxBlock zeros = Philox4x32({0, 0, 0, 0}, {0, 0});
  CHECK((zeros == PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const std::uint32_t ones = 0xffffffff;
  const PhiloxBlock full = Philox4x32({ones, ones, ones, ones}, {ones, ones});
  CHECK((full == PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  const PhiloxBlock pi =
      Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0});
  CHECK((pi == PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

void StreamIdsAreFnv1a() {
  CHECK(StreamId("") == 0x811c9dc5);
  CHECK(StreamId("a") == 0xe40c292c);
  CHECK(StreamId("foobar") == 0xbf9cf968);
}

void UniformsEndBelowOne() {
  CHECK(Uniform53(0, 0) == 0.0);
  CHECK(Uniform53(0xffffffff, 0xffffffff) == 1.0 - 0x1.0p-53);
  CHECK(Uniform53(0x800, 0) == 0x1.0p-53);
}

void NormalsAreFiniteAtTheEdges() {
  const std::uint32_t ones = 0xffffffff;
  CHECK(PhiloxStream::NormalPair({0, 0, 0, 0})[0] == 0.0);
  const double most = PhiloxStream::NormalPair({ones, ones, 0, 0})[0];
  CHECK(most > 8.57 && most < 8.58);
}

void AnyPartOfAFillIsThatPartOfTheWhole() {
  const PhiloxStream random(1, StreamId("replay"), 2);
  std::vector<double> whole(20);
  random.FillUniform(0, whole.size(), whole.data());
  for (std::uint32_t first = 0; first < 20; ++first) {
    CHECK(random.Uniform(first) == whole[first]);
    for (std::size_t n = 0; first + n <= 20; ++n) {
      std::vector<double> part(n);
      random.FillUniform(first, n, part.data());
      for (std::size_t i = 0; i < n; ++i) CHECK(part[i] == whole[first + i]);
    }
  }
}

}  // namespace
}  // namespace td7

int main() {
  td7::MatchesTheKnownAnswers();
  td7::StreamIdsAreFnv1a();
  td7::UniformsEndBelowOne();
  td7::NormalsAreFiniteAtTheEdges();
  td7::AnyPartOfAFillIsThatPartOfTheWhole();
  return failures == 0 ? 0 : 1;
}
