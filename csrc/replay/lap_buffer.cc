#include "replay/lap_buffer.h"

#include <algorithm>
#include <stdexcept>

#include "replay/lap_checks.h"

namespace td7 {
namespace {

constexpr std::int64_t kLargestSegment = 256;

// Segments are whole tree nodes, and few enough slots that all streams' open segments hold at most
// a quarter of the capacity (where 16 slots a segment allow it), so that eviction stays close to
// first in, first out.
std::int64_t SegmentSlots(const LapConfig& config) {
  std::int64_t slots = kLargestSegment;
  while (slots > SumTree::kFan && slots * config.streams * 4 > config.capacity) slots /= 2;
  return slots;
}

// Slots for the worst case. A segment that filled up holds at least half as many transitions as
// slots. Fewer than that are live in the segment being evicted, and in at most two segments a
// stream: the one being written, and one before it that was emptied while being written and then
// filled up (another such one would have to be evicted after it).
std::int64_t MostSlots(const LapConfig& config, std::int64_t segment_slots) {
  const std::int64_t full = 2 * config.capacity / segment_slots + 1;
  const std::int64_t slots = (full + 2 * std::int64_t{config.streams} + 2) * segment_slots;
  CheckSlots(config, slots);
  return slots;
}

}  // namespace

LapBuffer::LapBuffer(const LapConfig& config)
    : config_(CheckConfig(config)),
      segment_slots_(static_cast<int>(SegmentSlots(config))),
      tree_(MostSlots(config, segment_slots_)),
      rows_(MostSlots(config, segment_slots_), config.obs_size, config.action_size),
      streams_(static_cast<std::size_t>(config.streams)) {}

void LapBuffer::CheckStream(std::int64_t stream) const {
  CheckIndex("stream", stream, config_.streams);
}

void LapBuffer::AddStep(std::int64_t stream, const float* obs, const float* action, float reward,
                        const float* next_obs, bool terminated, bool truncated) {
  CheckStream(stream);
  CheckFinite("obs", obs, 0, rows_.obs_size());
  CheckFinite("action", action, 0, rows_.action_size());
  CheckFinite("reward", &reward, 0, 0);
  CheckFinite("next_obs", next_obs, 0, rows_.obs_size());
  Stream& writer = streams_[static_cast<std::size_t>(stream)];
  MakeRoom(1);
  rows_.WriteStep(OpenSlot(&writer, obs), action, reward, terminated);
  Publish(&writer, 1, next_obs);
  if (terminated || truncated) EndEpisode(stream);
}

void LapBuffer::EndEpisode(std::int64_t stream) {
  CheckStream(stream);
  Stream& writer = streams_[static_cast<std::size_t>(stream)];
  if (!writer.open) return;
  writer.open = false;
  ++writer.next;
}

void LapBuffer::AddEpisode(std::int64_t stream, std::int64_t steps, const float* obs,
                           const float* action, const float* reward, bool terminated) {
  CheckStream(stream);
  CheckEpisodeLength(steps, config_.capacity);
  const std::size_t obs_size = rows_.obs_size();
  const std::size_t action_size = rows_.action_size();
  const auto rows = static_cast<std::size_t>(steps);
  CheckFinite("obs", obs, rows + 1, obs_size);
  CheckFinite("action", action, rows, action_size);
  CheckFinite("reward", reward, 0, rows);
  EndEpisode(stream);
  MakeRoom(steps);
  Stream& writer = streams_[static_cast<std::size_t>(stream)];
  for (std::size_t done = 0; done < rows;) {
    const std::int64_t slot = OpenSlot(&writer, obs + done * obs_size);
    const auto room = static_cast<std::size_t>(segment_slots_ - 1 - writer.next);
    const std::size_t count = std::min(rows - done, room);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t step = done + i;
      if (i > 0) rows_.WriteObs(slot + static_cast<std::int64_t>(i), obs + step * obs_size);
      rows_.WriteStep(slot + static_cast<std::int64_t>(i), action + step * action_size,
                      reward[step], terminated && step + 1 == rows);
    }
    done += count;
    Publish(&writer, static_cast<std::int64_t>(count), obs + done * obs_size);
  }
  EndEpisode(stream);
}

// A buffer never runs out of slots (MostSlots); one that a forged file brought into a state which
// no history leads to might, and must not write outside its memory then.
void LapBuffer::CheckSegmentLeft() const {
  const std::int64_t wanted = (std::int64_t{segments_.count()} + 1) * segment_slots_;
  if (segments_.AnyFree() || wanted <= tree_.max_slots()) return;
  throw std::length_error("the replay has no slot left: it was loaded from a contradictory file");
}

// The slot for the stream's next transition, with obs in place and one more slot of the segment
// after it.
std::int64_t LapBuffer::OpenSlot(Stream* stream, const float* obs) {
  if (stream->open && !rows_.SameObs(SlotOf(*stream), obs)) {
    stream->open = false;
    ++stream->next;
  }
  const bool none = stream->segment == SegmentQueue::kNone;
  if (none || stream->next + 1 >= segment_slots_) {
    CheckSegmentLeft();
    const std::uint32_t old = stream->segment;
    stream->segment = segments_.Take();
    stream->next = 0;
    stream->open = false;
    if (!none) segments_.Release(old);
  }
  const std::int64_t slot = SlotOf(*stream);
  if (!stream->open) rows_.WriteObs(slot, obs);
  return slot;
}

// Makes `count` transitions from the stream's next slot on drawable; the slot after them gets
// next_obs.
void LapBuffer::Publish(Stream* stream, std::int64_t count, const float* next_obs) {
  const std::int64_t slot = SlotOf(*stream);
  rows_.WriteObs(slot + count, next_obs);
  tree_.SetRange(slot, count, max_priority_);
  segments_.AddLive(stream->segment, count);
  live_ += count;
  stream->next += static_cast<std::int32_t>(count);
  stream->open = true;
}

// Evicts until `wanted` <= capacity more transitions fit, one run of neighbours at a time.
void LapBuffer::MakeRoom(std::int64_t wanted) {
  while (live_ + wanted > config_.capacity) {
    const std::uint32_t oldest = segments_.oldest();
    const std::int64_t base = std::int64_t{oldest} * segment_slots_;
    const std::int64_t most = live_ + wanted - config_.capacity;
    std::int64_t first = segments_[oldest].first;
    while (!(tree_.weight(base + first) > 0.0F)) ++first;
    std::int64_t end = first + 1;
    while (end - first < most && end < segment_slots_ && tree_.weight(base + end) > 0.0F) ++end;
    tree_.SetRange(base + first, end - first, 0.0F);
    segments_.EvictOldest(end - first, end);
    live_ -= end - first;
  }
}

std::size_t LapBuffer::CommittedBytes() const {
  // the row after the last used slot holds the following observation
  const std::int64_t rows = std::int64_t{segments_.count()} * segment_slots_;
  return sizeof(*this) + tree_.CommittedBytes() + rows_.CommittedBytes(rows) +
         segments_.CommittedBytes() + streams_.capacity() * sizeof(Stream);
}

}  // namespace td7
