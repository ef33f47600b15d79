// Who owns which slots: hands out segments (runs of slots) to writers and tells which transition is
// the oldest.
//
// A segment is in one or more of these states:
//   written  a stream is adding to it
//   queued   it holds live transitions; in front is the segment that began to do so first
//   free     neither: waiting to be handed out again (last freed, first reused)
//
// A segment joins the back of the queue with its first live transition and leaves the front with
// its last one; it becomes free when it is neither queued nor written. New segments are made only
// when none is free.
//
// All operations are O(1). Not thread-safe. REQUIRES of the methods are internal invariants,
// checked by assert.
#ifndef TD7_REPLAY_SLOTS_SEGMENT_QUEUE_H_
#define TD7_REPLAY_SLOTS_SEGMENT_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace td7 {

struct Segment {
  std::uint32_t next = 0;   // the following segment of the queue or of the free list
  std::uint16_t first = 0;  // no slot of the segment below this offset is live
  std::uint16_t live = 0;   // transitions that can be drawn
  bool written = false;     // a stream adds to it
  std::int64_t number = 0;  // taken() when it was last handed out
};

class SegmentQueue {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  // Hands out a segment for writing. May allocate.
  std::uint32_t Take();

  // How often a segment has been handed out; never decreases.
  std::int64_t taken() const { return taken_; }

  // Counts on from `taken`, as if every segment had been handed out anew.
  void CountFrom(std::int64_t taken);

  // The writer leaves the segment for good.
  void Release(std::uint32_t id);

  // `count` >= 1 live transitions were written to the segment.
  void AddLive(std::uint32_t id, std::int64_t count);

  // `count` >= 1 live transitions of the oldest segment are gone; none is left below the offset
  // `first`.
  void EvictOldest(std::int64_t count, std::int64_t first);

  // The segment at the front of the queue, kNone if nothing is live.
  std::uint32_t oldest() const { return oldest_; }

  const Segment& operator[](std::uint32_t id) const { return segments_[id]; }

  // Whether Take() would hand out a segment that was used before.
  bool AnyFree() const { return free_ != kNone; }

  // Number of segments ever made: those numbered below it have been used.
  std::uint32_t count() const { return static_cast<std::uint32_t>(segments_.size()); }

  std::size_t CommittedBytes() const { return segments_.capacity() * sizeof(Segment); }

  // The queue from oldest to newest and the free list from the next to be handed out on.
  std::vector<std::uint32_t> QueueOrder() const { return Chain(oldest_); }
  std::vector<std::uint32_t> FreeOrder() const { return Chain(free_); }

  // Replaces everything. Returns false, leaving the object unspecified, if the parts contradict
  // each other.
  bool Restore(std::vector<Segment> segments, const std::vector<std::uint32_t>& queue,
               const std::vector<std::uint32_t>& free);

 private:
  std::vector<std::uint32_t> Chain(std::uint32_t id) const;
  void PushFree(std::uint32_t id);

  std::vector<Segment> segments_;
  std::uint32_t oldest_ = kNone;
  std::uint32_t newest_ = kNone;
  std::uint32_t free_ = kNone;
  std::int64_t taken_ = 0;
};

}  // namespace td7

#endif  // TD7_REPLAY_SLOTS_SEGMENT_QUEUE_H_
