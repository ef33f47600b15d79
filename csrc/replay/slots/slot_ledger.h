// Which slots hold what: hands out the slots of a replay of a given capacity to its writers and
// says which transitions must go. It knows no observations, rewards or priorities; whoever keeps
// those follows its word.
//
// Slots. A transition lives in a slot; its index is the slot's number. Slots are grouped in
// segments of segment_slots() consecutive ones; each stream writes its own segment from front to
// back. next_obs is the obs of the next slot, so after a stream's last transition one slot holds
// the following observation only. Such a slot is not live and cannot be drawn. While the episode
// goes on the next transition takes that slot; when it ends the slot stays as it is and the stream
// goes on after it. A full segment ends with such a slot, and its stream continues in a new
// segment:
//
//   [ t t t o | t t o . ]   t transition, o following observation only, . not used yet
//
// is a segment of 8 after an episode of three steps and two steps of the next one; here the last
// slot would hold the observation after a third.
//
// Capacity counts transitions, exactly. Before a transition would exceed it, the oldest transition
// of the oldest segment (SegmentQueue) is evicted. With one stream that is first in, first out;
// with several it is so to within the transitions of one segment a stream. Evicted slots are used
// again; there are max_slots() of them, enough for the worst case (episodes of one step).
//
// Stale indices. A segment that is used again gets a new number, segments_begun() at that moment,
// and between two such moments each of its slots is written once. So a slot that held a transition
// when segments_begun() was n still holds it if it is live and its segment's number is at most n.
// The numbers are not saved.
//
// To add transitions: MakeRoom for all of them; then, until all are placed, Open, write the rows,
// Publish.
//
// Threads: const methods may run at the same time, all others must run alone. Ownership: owns its
// memory; movable, not copyable. REQUIRES of the methods are checked by assert.
#ifndef TD7_REPLAY_SLOTS_SLOT_LEDGER_H_
#define TD7_REPLAY_SLOTS_SLOT_LEDGER_H_

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "replay/memory/reserved_memory.h"
#include "replay/slots/segment_queue.h"

namespace td7 {

class StateReader;
class StateWriter;

class SlotLedger {
 public:
  static constexpr std::int64_t kNoSlot = -1;

  // Where transitions go: `count` slots from `slot` on, with one more of the segment after them for
  // the following observation. `obs` says whether the first one's obs has yet to be written: it is
  // there already if the episode goes on in place.
  struct Run {
    std::int64_t slot;
    std::int64_t count;
    bool obs;
  };

  // The numbers of a saved ledger that say how much follows them.
  struct Sizes {
    std::int64_t live;
    std::int64_t used;
    std::uint32_t segments;
    std::uint32_t queued;
    std::uint32_t free;
  };

  // REQUIRES: capacity >= 1, streams >= 1. Throws std::invalid_argument if they need more slots
  // than can be numbered, std::bad_alloc if the address space cannot be reserved.
  SlotLedger(std::int64_t capacity, int streams);

  std::int64_t capacity() const { return capacity_; }
  int streams() const { return static_cast<int>(streams_.size()); }
  int segment_slots() const { return segment_slots_; }

  // Slots are numbered below this, always.
  std::int64_t max_slots() const { return max_slots_; }

  // Number of live transitions.
  std::int64_t size() const { return live_; }

  // One more than the highest slot that has ever been live.
  std::int64_t used_slots() const { return used_; }

  // Slots of all segments that have ever been handed out: those numbered below it may hold rows.
  std::int64_t made_slots() const { return std::int64_t{segments_.count()} * segment_slots_; }

  // Whether the slot holds a transition; any number may be asked for. O(1).
  bool IsLive(std::int64_t slot) const {
    return slot >= 0 && slot < used_ && (Word(slot) & Bit(slot)) != 0;
  }

  // How often a stream has begun a segment; never decreases.
  std::int64_t segments_begun() const { return segments_.taken(); }

  // segments_begun() when the slot's segment was last begun. REQUIRES: 0 <= slot < made_slots().
  std::int64_t NumberOf(std::int64_t slot) const {
    return segments_[static_cast<std::uint32_t>(slot / segment_slots_)].number;
  }

  // Whether the slot still holds the transition that it held when segments_begun() was `begun`; any
  // number may be asked for. REQUIRES: it held one. O(1).
  bool HoldsSince(std::int64_t slot, std::int64_t begun) const {
    return IsLive(slot) && NumberOf(slot) <= begun;
  }

  // For a ledger that replaces one whose segments_begun() was `begun`: HoldsSince is false for all
  // numbers up to that.
  void Replaces(std::int64_t begun) { segments_.CountFrom(begun); }

  // Throws std::out_of_range unless there is such a stream.
  void CheckStream(std::int64_t stream) const;

  // The slot with the last next_obs of the stream's open episode, kNoSlot if none is open. O(1).
  std::int64_t OpenSlot(std::int64_t stream) const;

  // Evicts until `wanted` more transitions fit; calls evict(first slot, count) for each run of
  // neighbours. REQUIRES: wanted <= capacity().
  template <typename Evict>
  void MakeRoom(std::int64_t wanted, const Evict& evict) {
    while (live_ + wanted > capacity_) {
      const Run run = EvictOldest(live_ + wanted - capacity_);
      evict(run.slot, run.count);
    }
  }

  // Where the stream's next transitions go, up to `wanted` of them. Ends its open episode unless
  // the first one continues it, that is, has the very bits of its last next_obs. REQUIRES:
  // MakeRoom, wanted >= 1. O(1).
  Run Open(std::int64_t stream, std::int64_t wanted, bool continues);

  // The first `count` transitions of the run that Open gave are live; the slot after them holds the
  // last one's next_obs. O(count).
  void Publish(std::int64_t stream, std::int64_t count);

  // What made_slots() will be at most once `steps` more transitions of the stream, all of one
  // episode, have been placed.
  // REQUIRES: steps <= capacity(). O(segments).
  std::int64_t SlotsAfter(std::int64_t stream, std::int64_t steps) const;

  // The same for one more transition of each of `count` streams. O(count).
  std::int64_t SlotsAfterRows(std::int64_t first_stream, std::int64_t count) const;

  // Closes the stream's open episode, if any: the next transition starts a new one. O(1).
  void EndEpisode(std::int64_t stream);

  // Bytes held, those of the object itself left out.
  std::size_t CommittedBytes() const;

  // Everything but capacity, streams and liveness: the sizes are for the caller to keep, the lists
  // they tell of are written here, in StateBytes() bytes.
  Sizes StateSizes() const;
  std::size_t StateBytes() const;
  void WriteState(StateWriter* writer) const;
  // REQUIRES: a new ledger of the same capacity and streams. Throws std::invalid_argument, leaving
  // it unspecified. RestoreLiveness must follow: live(slot) says it for each slot < used_slots().
  void ReadState(const Sizes& sizes, StateReader* reader);
  template <typename Live>
  void RestoreLiveness(const Live& live) {
    for (std::int64_t slot = 0; slot < used_; ++slot) {
      if (live(slot)) Word(slot) |= Bit(slot);
    }
  }
  // Whether what was restored is free of contradictions that are seen at once: then after each live
  // slot there is one more of its segment. A forged one may still run out of slots, which Open
  // tells by std::length_error. O(slots used).
  bool IsSound() const;

 private:
  struct Stream {
    std::uint32_t segment = SegmentQueue::kNone;
    std::int32_t next = 0;  // offset in the segment where the next transition goes
    bool open = false;      // an episode is open; its last next_obs is at `next`
  };

  Stream& Writer(std::int64_t stream) { return streams_[static_cast<std::size_t>(stream)]; }
  std::int64_t SlotOf(const Stream& stream) const {
    return std::int64_t{stream.segment} * segment_slots_ + stream.next;
  }
  std::uint64_t& Word(std::int64_t slot) const { return words_[slot >> 6]; }
  static std::uint64_t Bit(std::int64_t slot) { return std::uint64_t{1} << (slot & 63); }
  std::int64_t SegmentsFor(std::int64_t stream, std::int64_t steps) const;
  void CheckSegmentLeft() const;
  Run EvictOldest(std::int64_t most);
  bool SegmentIsSound(std::uint32_t id) const;
  bool StreamIsSound(const Stream& stream) const;
  bool SparseSegmentsAreFew() const;

  std::int64_t capacity_;
  int segment_slots_;
  std::int64_t max_slots_;
  ReservedMemory bits_;   // one a slot: whether it is live
  std::uint64_t* words_;  // its values
  SegmentQueue segments_;
  std::vector<Stream> streams_;
  std::int64_t live_ = 0;
  std::int64_t used_ = 0;
};

}  // namespace td7

#endif  // TD7_REPLAY_SLOTS_SLOT_LEDGER_H_
