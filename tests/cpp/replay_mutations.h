// Alterations of a saved replay's bytes (replay/lap_state.h), for fuzz_replay_state.cc: blind ones,
// and ones that know where its numbers lie, so that the parts still fit each other.
#ifndef TD7_TESTS_CPP_REPLAY_MUTATIONS_H_
#define TD7_TESTS_CPP_REPLAY_MUTATIONS_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

namespace td7 {

// SplitMix64 (Steele, Lea, Flood, 2014), for one input.
class Dice {
 public:
  Dice(std::uint64_t seed, std::uint64_t input) : state_(seed << 48 ^ input) { Next(); }
  std::uint64_t Next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
  }
  std::int64_t Below(std::int64_t end) {
    return static_cast<std::int64_t>(Next() % static_cast<std::uint64_t>(end));
  }
  std::size_t Place(std::size_t end) { return static_cast<std::size_t>(Next() % end); }

 private:
  std::uint64_t state_;
};

template <typename T>
T Get(const std::string& bytes, std::size_t at) {
  T value{};
  if (at + sizeof value <= bytes.size()) std::memcpy(&value, &bytes[at], sizeof value);
  return value;
}

template <typename T>
void Put(std::string* bytes, std::size_t at, T value) {
  if (at + sizeof value <= bytes->size()) std::memcpy(&(*bytes)[at], &value, sizeof value);
}

// Where the first member's parts begin, as its own numbers say it.
struct Layout {
  static constexpr std::size_t kAlpha = 56;
  static constexpr std::size_t kPieceRows = 72;
  static constexpr std::size_t kHeader = 80;
  static constexpr std::size_t kLive = kHeader + 16;  // then used, segments, queued, free
  static constexpr std::size_t kMember = 48;
  static constexpr std::size_t kStream = 12;
  static constexpr std::size_t kSegment = 4;

  static Layout Of(const std::string& file, std::size_t streams) {
    Layout at{};
    at.used = std::min<std::size_t>(Get<std::uint64_t>(file, kLive + 8), file.size());
    at.segment_count = std::min<std::size_t>(Get<std::uint32_t>(file, kLive + 16), file.size());
    at.queued = std::min<std::size_t>(Get<std::uint32_t>(file, kLive + 20), file.size());
    const std::size_t free =
        std::min<std::size_t>(Get<std::uint32_t>(file, kLive + 24), file.size());
    at.stream_count = streams;
    at.streams = kHeader + kMember;
    at.segments = at.streams + streams * kStream;
    at.queue = at.segments + at.segment_count * kSegment;
    at.weights = at.queue + (at.queued + free) * 4;
    at.rows = std::min(at.weights + at.used * 4, file.size());
    return at;
  }

  std::size_t used, segment_count, queued, stream_count;
  std::size_t streams, segments, queue, weights, rows;
};

// Replaces a number of 1, 2, 4 or 8 bytes below `end`.
inline void AlterWord(Dice* dice, std::string* file, std::size_t end) {
  constexpr std::array<std::uint64_t, 20> kEdges{
      0,          1,          2,          15,          16,         17,         255,
      256,        0x7FFF,     0xFFFF,     0x7FFFFFFF,  0x80000000, 0xFFFFFFFF, 0xFFFFFFFE,
      0x3F800000, 0x7F800000, 0x7FC00000, 0x100000000, ~0ULL,      1ULL << 63};
  if (end < 8) return;
  const std::size_t width = std::size_t{1} << dice->Place(4);
  const std::size_t at = dice->Place(end / width) * width;
  auto value = Get<std::uint64_t>(*file, std::min(at, file->size() - 8));
  switch (dice->Below(4)) {
    case 0:
      value = kEdges[dice->Place(kEdges.size())];
      break;
    case 1:
      value ^= 1ULL << dice->Below(64);
      break;
    case 2:
      value += static_cast<std::uint64_t>(dice->Below(33)) - 16;
      break;
    default:
      value = dice->Next();
  }
  if (at + width <= file->size()) std::memcpy(&(*file)[at], &value, width);
}

// Inserts, removes, moves or overwrites a piece of up to 64 bytes, mostly whole words.
inline void AlterChunk(Dice* dice, const std::string& other, std::size_t end, std::string* file) {
  const std::size_t unit = dice->Below(8) == 0 ? 1 : 4;
  const std::size_t size = unit * (1 + dice->Place(16));
  const std::size_t to = dice->Place(end / unit + 1) * unit;
  const bool foreign = dice->Below(4) == 0;
  const std::string& source = foreign ? other : *file;
  const std::size_t from = dice->Place(source.size() / unit + 1) * unit;
  const std::string chunk = source.substr(std::min(from, source.size()), size);
  const std::size_t place = std::min(to, file->size());
  switch (dice->Below(3)) {
    case 0:
      file->insert(place, chunk);
      break;
    case 1:
      file->erase(place, size);
      break;
    default:
      file->replace(place, chunk.size(), chunk);
  }
}

// Makes a slot live, or no longer live, and counts it so.
inline void SetLiveness(const Layout& at, std::size_t slot, bool live, std::string* file) {
  // a segment's slots are a power of two from 16 to 256: the one that fits the numbers
  std::size_t slots = 16;
  while (slots < 256 && slots * at.segment_count < at.used) slots *= 2;
  const std::size_t weight = at.weights + 4 * slot;
  if ((Get<float>(*file, weight) != 0.0F) == live) return;
  const std::uint64_t change = live ? 1 : ~0ULL;
  const std::size_t count = at.segments + Layout::kSegment * (slot / slots) + 2;
  Put(file, weight, live ? 1.0F : 0.0F);
  Put(file, count, static_cast<std::uint16_t>(Get<std::uint16_t>(*file, count) + change));
  Put(file, Layout::kLive, Get<std::uint64_t>(*file, Layout::kLive) + change);
}

// Changes the liveness of one slot, or of some in a row.
inline void AlterLiveness(Dice* dice, const Layout& at, std::string* file) {
  if (at.used == 0 || at.segment_count == 0) return;
  const std::size_t first = dice->Place(at.used);
  const std::size_t count = dice->Below(2) == 0 ? 1 : 1 + dice->Place(32);
  const bool live = dice->Below(3) == 0;
  for (std::size_t slot = first; slot < std::min(first + count, at.used); ++slot) {
    SetLiveness(at, slot, live, file);
  }
}

// Swaps two entries of the queue, or two streams.
inline void AlterOrder(Dice* dice, const Layout& at, std::string* file) {
  const bool queue = dice->Below(2) == 0;
  const std::size_t base = queue ? at.queue : at.streams;
  const std::size_t size = queue ? 4 : Layout::kStream;
  const std::size_t count = queue ? at.queued : at.stream_count;
  if (count < 2) return;
  const std::size_t one = base + size * dice->Place(count);
  const std::size_t two = base + size * dice->Place(count);
  if (std::max(one, two) + size > file->size()) return;
  std::swap_ranges(&(*file)[one], &(*file)[one] + size, &(*file)[two]);
}

// Moves a stream's place on or back, or opens or closes its episode.
inline void AlterStream(Dice* dice, const Layout& at, std::string* file) {
  const std::size_t stream = at.streams + Layout::kStream * dice->Place(at.stream_count);
  const std::size_t next = stream + 4;
  if (dice->Below(2) == 0) Put(file, stream + 8, Get<std::uint32_t>(*file, stream + 8) ^ 1U);
  const std::int64_t step = dice->Below(5) - 2;
  Put(file, next, Get<std::uint32_t>(*file, next) + static_cast<std::uint32_t>(step));
}

// One alteration of a file; `other` is another one, to take parts from.
inline void Alter(Dice* dice, const Layout& at, const std::string& other, std::string* file) {
  // what is before the rows says most
  const std::size_t end = dice->Below(4) == 0 ? file->size() : std::min(at.rows, file->size());
  switch (dice->Below(10)) {
    case 0:
      return AlterWord(dice, file, std::min<std::size_t>(Layout::kHeader, file->size()));
    case 1:
      return AlterChunk(dice, other, end, file);
    case 2:
      return AlterOrder(dice, at, file);
    case 3:
      return AlterStream(dice, at, file);
    case 4:
    case 5:
      return AlterLiveness(dice, at, file);
    case 6:
      if (dice->Below(2) == 0) {
        file->resize(dice->Place(file->size() + 1));
      } else {  // the beginning of this one and the end of the other
        const std::size_t cut = dice->Place(std::min(file->size(), other.size()) + 1);
        *file = file->substr(0, cut) + other.substr(cut);
      }
      return;
    default:
      return AlterWord(dice, file, end);
  }
}

}  // namespace td7

#endif  // TD7_TESTS_CPP_REPLAY_MUTATIONS_H_
