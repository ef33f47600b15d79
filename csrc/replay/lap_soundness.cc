// The half of LapBuffer that looks for contradictions in a state that was read from a file: what
// passes can be used without reading or writing outside the buffer's memory.
#include <cstdint>
#include <vector>

#include "replay/lap_buffer.h"
#include "replay/lap_checks.h"

namespace td7 {

// A live transition holds what AddStep would have accepted. REQUIRES: a slot after it.
bool LapBuffer::RowIsSound(std::int64_t slot) const {
  const float* row = rows_.row(slot);
  const std::size_t numbers = rows_.obs_size() + rows_.action_size() + 1;
  const float flag = row[numbers];
  if (!AllFinite(row, numbers) || !(flag == 0.0F || flag == 1.0F)) return false;
  const bool next_is_live = tree_.weight(slot + 1) > 0.0F;  // then it is looked at by itself
  return next_is_live || AllFinite(rows_.row(slot + 1), rows_.obs_size());
}

bool LapBuffer::SegmentIsSound(std::uint32_t id) const {
  const Segment& segment = segments_[id];
  if (segment.first > segment_slots_) return false;
  std::int64_t live = 0;
  for (std::int64_t offset = 0; offset < segment_slots_; ++offset) {
    const std::int64_t slot = std::int64_t{id} * segment_slots_ + offset;
    const float weight = tree_.weight(slot);
    if (weight == 0.0F) continue;
    const bool fits = weight >= SumTree::kMinWeight && weight <= max_priority_;
    if (!fits || offset < segment.first || offset + 1 == segment_slots_) return false;
    if (!RowIsSound(slot)) return false;
    ++live;
  }
  return live == segment.live;
}

bool LapBuffer::StreamIsSound(const Stream& stream) const {
  if (stream.segment == SegmentQueue::kNone) return stream.next == 0 && !stream.open;
  if (stream.segment >= segments_.count()) return false;
  if (stream.next < 0 || stream.next > segment_slots_) return false;
  if (stream.open && (stream.next == 0 || stream.next == segment_slots_)) return false;
  if (segments_[stream.segment].first > stream.next) return false;
  const std::int64_t base = std::int64_t{stream.segment} * segment_slots_;
  // the slot before the next one of a closed episode holds the episode's last observation
  if (!stream.open && stream.next > 0 && tree_.weight(base + stream.next - 1) > 0.0F) return false;
  for (std::int64_t offset = stream.next; offset < segment_slots_; ++offset) {
    if (tree_.weight(base + offset) > 0.0F) return false;
  }
  return true;
}

// Segments less than half full that are neither the oldest nor written: at most one a stream. The
// number of slots that are reserved for the worst case rests on it.
bool LapBuffer::SparseSegmentsAreFew() const {
  std::int64_t sparse = 0;
  for (const std::uint32_t id : segments_.QueueOrder()) {
    const Segment& segment = segments_[id];
    const bool may_be = id == segments_.oldest() || segment.written;
    if (!may_be && 2 * segment.live < segment_slots_) ++sparse;
  }
  return sparse <= config_.streams;
}

bool LapBuffer::StateIsSound() const {
  if (!(max_priority_ >= SumTree::kMinWeight && max_priority_ <= SumTree::kMaxWeight)) return false;
  std::int64_t live = 0;
  for (std::uint32_t id = 0; id < segments_.count(); ++id) {
    if (!SegmentIsSound(id)) return false;
    live += segments_[id].live;
  }
  if (live != live_ || live_ > config_.capacity) return false;
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
