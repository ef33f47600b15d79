#include "replay/slots/slot_ledger.h"

#include <algorithm>
#include <stdexcept>

#include "replay/lap_checks.h"

namespace td7 {
namespace {

constexpr std::int64_t kSmallestSegment = 16;
constexpr std::int64_t kLargestSegment = 256;

// Segments are whole tree nodes, and few enough slots that all streams' open segments hold at most
// a quarter of the capacity (where 16 slots a segment allow it), so that eviction stays close to
// first in, first out.
int SegmentSlots(std::int64_t capacity, int streams) {
  std::int64_t slots = kLargestSegment;
  while (slots > kSmallestSegment && slots * streams * 4 > capacity) slots /= 2;
  return static_cast<int>(slots);
}

// Slots for the worst case. A segment that filled up holds at least half as many transitions as
// slots. Fewer than that are live in the segment being evicted, and in at most two segments a
// stream: the one being written, and one before it that was emptied while being written and then
// filled up (another such one would have to be evicted after it).
std::int64_t MostSlots(std::int64_t capacity, int streams, std::int64_t segment_slots) {
  const std::int64_t full = 2 * capacity / segment_slots + 1;
  const std::int64_t slots = (full + 2 * std::int64_t{streams} + 2) * segment_slots;
  CheckSlots(capacity, streams, slots);
  return slots;
}

// Bytes of the bits of `slots` slots, in whole words.
std::size_t BitBytes(std::int64_t slots) { return static_cast<std::size_t>((slots + 63) / 64 * 8); }

}  // namespace

SlotLedger::SlotLedger(std::int64_t capacity, int streams)
    : capacity_(capacity),
      segment_slots_(SegmentSlots(capacity, streams)),
      max_slots_(MostSlots(capacity, streams, segment_slots_)),
      bits_(BitBytes(max_slots_)),
      words_(static_cast<std::uint64_t*>(bits_.data())),
      streams_(static_cast<std::size_t>(streams)) {
  assert(capacity >= 1 && streams >= 1);
}

void SlotLedger::CheckStream(std::int64_t stream) const { CheckIndex("stream", stream, streams()); }

std::int64_t SlotLedger::OpenSlot(std::int64_t stream) const {
  const Stream& writer = streams_[static_cast<std::size_t>(stream)];
  return writer.open ? SlotOf(writer) : kNoSlot;
}

// A ledger never runs out of slots (MostSlots); one that a forged file brought into a state which
// no history leads to might, and must not hand out one that is not there.
void SlotLedger::CheckSegmentLeft() const {
  if (segments_.AnyFree() || made_slots() + segment_slots_ <= max_slots_) return;
  throw std::length_error("the replay has no slot left: it was loaded from a contradictory file");
}

SlotLedger::Run SlotLedger::Open(std::int64_t stream, std::int64_t wanted, bool continues) {
  assert(wanted >= 1 && live_ + wanted <= capacity_);
  if (!continues) EndEpisode(stream);
  Stream& writer = Writer(stream);
  const bool none = writer.segment == SegmentQueue::kNone;
  if (none || writer.next + 1 >= segment_slots_) {
    CheckSegmentLeft();
    const std::uint32_t old = writer.segment;
    writer = Stream{segments_.Take(), 0, false};
    if (!none) segments_.Release(old);
  }
  const std::int64_t room = segment_slots_ - 1 - writer.next;
  return {SlotOf(writer), std::min(wanted, room), !writer.open};
}

void SlotLedger::Publish(std::int64_t stream, std::int64_t count) {
  Stream& writer = Writer(stream);
  assert(count >= 1 && writer.next + count < segment_slots_);
  const std::int64_t first = SlotOf(writer);
  for (std::int64_t slot = first; slot < first + count; ++slot) Word(slot) |= Bit(slot);
  segments_.AddLive(writer.segment, count);
  live_ += count;
  used_ = std::max(used_, first + count);
  writer.next += static_cast<std::int32_t>(count);
  writer.open = true;
}

void SlotLedger::EndEpisode(std::int64_t stream) {
  Stream& writer = Writer(stream);
  if (!writer.open) return;
  writer.open = false;
  ++writer.next;
}

// Segments that the stream has to begin at most for `steps` more transitions of one episode.
std::int64_t SlotLedger::SegmentsFor(std::int64_t stream, std::int64_t steps) const {
  const Stream& writer = streams_[static_cast<std::size_t>(stream)];
  const bool none = writer.segment == SegmentQueue::kNone;
  // an open episode that does not go on costs a slot
  const std::int64_t room = none ? 0 : std::max(segment_slots_ - 2 - writer.next, 0);
  const std::int64_t fill = segment_slots_ - 1;
  return (std::max<std::int64_t>(steps - room, 0) + fill - 1) / fill;
}

std::int64_t SlotLedger::SlotsAfterRows(std::int64_t first_stream, std::int64_t count) const {
  std::int64_t made = 0;  // those that are free and could be used again are not looked for
  for (std::int64_t i = 0; i < count; ++i) made += SegmentsFor(first_stream + i, 1);
  return std::min(made_slots() + made * segment_slots_, max_slots_);
}

std::int64_t SlotLedger::SlotsAfter(std::int64_t stream, std::int64_t steps) const {
  const std::int64_t taken = SegmentsFor(stream, steps);
  if (taken == 0) return made_slots();
  auto free = static_cast<std::int64_t>(segments_.FreeOrder().size());
  std::int64_t gone = live_ + steps - capacity_;  // to be evicted, oldest segment first
  for (const std::uint32_t id : segments_.QueueOrder()) {
    gone -= segments_[id].live;
    if (gone < 0) break;
    if (!segments_[id].written) ++free;
  }
  const std::int64_t made = std::max<std::int64_t>(taken - free, 0);
  return std::min(made_slots() + made * segment_slots_, max_slots_);
}

// Evicts the oldest transition and up to `most` - 1 of its neighbours.
SlotLedger::Run SlotLedger::EvictOldest(std::int64_t most) {
  const std::uint32_t oldest = segments_.oldest();
  const std::int64_t base = std::int64_t{oldest} * segment_slots_;
  std::int64_t first = base + segments_[oldest].first;
  while (!IsLive(first)) ++first;
  std::int64_t end = first;
  for (; end - first < most && end < base + segment_slots_ && IsLive(end); ++end) {
    Word(end) &= ~Bit(end);
  }
  segments_.EvictOldest(end - first, end - base);
  live_ -= end - first;
  return {first, end - first, false};
}

std::size_t SlotLedger::CommittedBytes() const {
  return bits_.CommittedBytes(BitBytes(used_)) + segments_.CommittedBytes() +
         streams_.capacity() * sizeof(Stream);
}

}  // namespace td7
