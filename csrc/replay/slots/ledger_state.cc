// The half of SlotLedger that is saved and restored, and that looks for contradictions in what was
// restored from a file.
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "replay/files/state_file.h"
#include "replay/slots/slot_ledger.h"

namespace td7 {
namespace {

// What a stream and a segment look like on disk: no padding, so that equal states give equal files.
struct DiskStream {
  std::uint32_t segment;
  std::int32_t next;
  std::uint32_t open;
};
struct DiskSegment {
  std::uint16_t first;
  std::uint16_t live;
};
static_assert(sizeof(DiskStream) == 12 && sizeof(DiskSegment) == 4);

}  // namespace

SlotLedger::Sizes SlotLedger::StateSizes() const {
  return {live_, used_, segments_.count(),
          static_cast<std::uint32_t>(segments_.QueueOrder().size()),
          static_cast<std::uint32_t>(segments_.FreeOrder().size())};
}

std::size_t SlotLedger::StateBytes() const {
  const Sizes sizes = StateSizes();
  const std::size_t lists = std::size_t{sizes.queued} + sizes.free;
  return streams_.size() * sizeof(DiskStream) + sizes.segments * sizeof(DiskSegment) +
         lists * sizeof(std::uint32_t);
}

void SlotLedger::WriteState(StateWriter* writer) const {
  for (const Stream& stream : streams_) {
    writer->Value(DiskStream{stream.segment, stream.next, stream.open ? 1U : 0U});
  }
  for (std::uint32_t id = 0; id < segments_.count(); ++id) {
    writer->Value(DiskSegment{segments_[id].first, segments_[id].live});
  }
  writer->Values(segments_.QueueOrder());
  writer->Values(segments_.FreeOrder());
}

void SlotLedger::ReadState(const Sizes& sizes, StateReader* reader) {
  const std::int64_t made = std::int64_t{sizes.segments} * segment_slots_;
  if (made > max_slots_ || sizes.used < 0 || sizes.used > made) {
    reader->Refuse("is torn or altered");
  }
  reader->Expect(streams_.size() * sizeof(DiskStream) +
                 std::uint64_t{sizes.segments} * sizeof(DiskSegment));
  std::vector<Segment> segments(sizes.segments);
  for (Stream& stream : streams_) {
    const auto disk = reader->Value<DiskStream>();
    if (disk.open > 1) reader->Refuse("is torn or altered");
    stream = Stream{disk.segment, disk.next, disk.open != 0};
    if (stream.segment < sizes.segments) segments[stream.segment].written = true;
  }
  for (Segment& segment : segments) {
    const auto disk = reader->Value<DiskSegment>();
    segment.first = disk.first;
    segment.live = disk.live;
  }
  const auto queue = reader->Values<std::uint32_t>(sizes.queued);
  const auto free = reader->Values<std::uint32_t>(sizes.free);
  if (!segments_.Restore(std::move(segments), queue, free)) reader->Refuse("is torn or altered");
  live_ = sizes.live;
  used_ = sizes.used;
}

bool SlotLedger::SegmentIsSound(std::uint32_t id) const {
  const Segment& segment = segments_[id];
  if (segment.first > segment_slots_) return false;
  const std::int64_t base = std::int64_t{id} * segment_slots_;
  std::int64_t live = 0;
  for (std::int64_t offset = 0; offset < segment_slots_; ++offset) {
    if (!IsLive(base + offset)) continue;
    if (offset < segment.first || offset + 1 == segment_slots_) return false;
    ++live;
  }
  return live == segment.live;
}

bool SlotLedger::StreamIsSound(const Stream& stream) const {
  if (stream.segment == SegmentQueue::kNone) return stream.next == 0 && !stream.open;
  if (stream.segment >= segments_.count()) return false;
  if (stream.next < 0 || stream.next > segment_slots_) return false;
  if (stream.open && (stream.next == 0 || stream.next == segment_slots_)) return false;
  if (segments_[stream.segment].first > stream.next) return false;
  const std::int64_t base = std::int64_t{stream.segment} * segment_slots_;
  // the slot before the next one of a closed episode holds the episode's last observation
  if (!stream.open && stream.next > 0 && IsLive(base + stream.next - 1)) return false;
  for (std::int64_t offset = stream.next; offset < segment_slots_; ++offset) {
    if (IsLive(base + offset)) return false;
  }
  return true;
}

// Segments less than half full that are neither the oldest nor written: at most one a stream. The
// number of slots that are reserved for the worst case rests on it.
bool SlotLedger::SparseSegmentsAreFew() const {
  std::int64_t sparse = 0;
  for (const std::uint32_t id : segments_.QueueOrder()) {
    const Segment& segment = segments_[id];
    const bool may_be = id == segments_.oldest() || segment.written;
    if (!may_be && 2 * segment.live < segment_slots_) ++sparse;
  }
  return sparse <= streams();
}

bool SlotLedger::IsSound() const {
  std::int64_t live = 0;
  for (std::uint32_t id = 0; id < segments_.count(); ++id) {
    if (!SegmentIsSound(id)) return false;
    live += segments_[id].live;
  }
  if (live != live_ || live_ > capacity_) return false;
  std::vector<bool> taken(segments_.count(), false);
  for (const Stream& stream : streams_) {
    if (!StreamIsSound(stream)) return false;
    if (stream.segment == SegmentQueue::kNone) continue;
    if (taken[stream.segment]) return false;
    taken[stream.segment] = true;
  }
  return SparseSegmentsAreFew();
}

}  // namespace td7
