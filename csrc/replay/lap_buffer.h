// LAP replay of one member: stores transitions, draws them in proportion to priority, keeps the
// priorities.
//
// Source: Fujimoto, Meger, Precup, "An Equivalence between Loss Functions and Non-Uniform Sampling
// in Experience Replay" (NeurIPS 2020): priority = max(|td error|, min_priority)^alpha, new
// transitions get the maximum priority.
//
//   AddStep, AddEpisode -> a stream's segment -> rows (RowStore) and weights (SumTree)
//   Sample              <- rows <- slots drawn by weight
//   UpdatePriorities    -> weights
//
// Slots. A transition lives in a slot; its index is the slot's number. Slots are grouped in
// segments of segment_slots() consecutive ones; each stream writes its own segment from front to
// back. next_obs is the obs of the next slot, so after a stream's last transition one slot holds
// the following observation only. Such a slot has weight 0 and cannot be drawn. While the episode
// goes on the next transition takes that slot; when it ends the slot stays as it is and the stream
// goes on after it. A full segment ends with such a slot, and its stream continues in a new
// segment:
//
//   [ t t t o | t t o . ]   t transition, o following observation only, . not used yet
//
// is a segment of 8 after an episode of three steps and two steps of the next one; here the last
// slot would hold the observation after a third.
//
// AddStep continues the open episode in place if `obs` has the very bits of the last next_obs; if
// it has not, the open episode is closed and a new one starts. What is drawn is the same either
// way, only a slot more is used; unordered transitions may therefore be added one by one, at two
// slots each.
//
// Capacity counts transitions, exactly. Before a transition would exceed it, the oldest transition
// of the oldest segment (SegmentQueue) is evicted: its weight becomes 0. With one stream that is
// first in, first out; with several it is so to within the transitions of one segment a stream.
// Evicted rows' memory is reused; address space is reserved for the worst case (episodes of one
// step), memory is committed as slots are first used.
//
// An index is valid until the next AddStep or AddEpisode of the buffer: that may evict the
// transition and give its slot to another one, to which the index then belongs.
//
// Distribution: see sum_tree.h. A transition can be drawn from the moment it is added. Sample call
// number c of a member takes its uniforms from the Philox stream (seed, "replay", c), a draw at a
// level a number of its own (SumTree::Draw). The result depends on nothing else.
//
// Errors: std::invalid_argument (bad value) and std::out_of_range (bad index or stream), naming the
// argument; the buffer is then unchanged. Threads: const methods may run at the same time, all
// others must run alone. Ownership: arguments are read during the call only; outputs are the
// caller's.
#ifndef TD7_REPLAY_LAP_BUFFER_H_
#define TD7_REPLAY_LAP_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "replay/row_store.h"
#include "replay/segment_queue.h"
#include "replay/sum_tree.h"

namespace td7 {

static_assert(sizeof(std::size_t) >= 8, "slots times bytes a row must fit a std::size_t");

class StateReader;
class StateWriter;

struct LapConfig {
  std::int64_t capacity = 1'000'000;  // transitions
  int obs_size = 0;
  int action_size = 0;
  int streams = 1;            // independent writers, e.g. environments
  double alpha = 0.4;         // in [0, 1]; 0 draws uniformly
  double min_priority = 1.0;  // floor of |td error| before the power
  std::uint64_t seed = 0;
};

class LapBuffer {
 public:
  // Throws std::invalid_argument on a bad config, std::bad_alloc if the address space cannot be
  // reserved.
  explicit LapBuffer(const LapConfig& config);

  const LapConfig& config() const { return config_; }

  // Number of live transitions.
  std::int64_t size() const { return live_; }

  int segment_slots() const { return segment_slots_; }

  // Adds one transition. obs and next_obs [S], action [A], all finite. The episode of the stream
  // ends with it if terminated (which also ends the bootstrap) or truncated. O(S + A + levels).
  void AddStep(std::int64_t stream, const float* obs, const float* action, float reward,
               const float* next_obs, bool terminated, bool truncated);

  // Closes the stream's open episode, if any: the next step starts a new one. O(1).
  void EndEpisode(std::int64_t stream);

  // Adds a whole episode of 1 <= steps <= capacity transitions, all of which can be drawn
  // afterwards; closes the stream's open episode first. obs [steps + 1, S], action [steps, A],
  // reward [steps]; `terminated` says how the last step ended. O(steps (S + A)).
  void AddEpisode(std::int64_t stream, std::int64_t steps, const float* obs, const float* action,
                  const float* reward, bool terminated);

  // Draws n transitions with replacement, advances the draw counter by one; the indices are valid
  // until the next transition is added. Outputs that overlap are filled in an unspecified order,
  // nothing else is harmed. O(n (S + A + levels)).
  void Sample(std::int64_t n, const SampleOutput& output);

  // priority(index[i]) = max(td_error[i], min_priority)^alpha, in order: of equal indices the last
  // one wins. The maximum priority grows with all n new ones. td_error: finite, not negative.
  // REQUIRES: nobody writes to the arguments meanwhile. O(n levels).
  void UpdatePriorities(const std::int64_t* index, const float* td_error, std::int64_t n);

  // The two halves of Sample and UpdatePriorities, for callers that check several buffers before
  // changing any: Check* throws what the method would; the rest REQUIRES that the check has passed.
  // `row` >= 0 is put before the place in messages: index[row, i].
  void CheckSample(std::int64_t n) const;
  void DrawAndGather(std::int64_t n, const SampleOutput& output);
  void CheckUpdate(const std::int64_t* index, const float* td_error, std::int64_t n,
                   std::int64_t row = -1) const;
  void ApplyUpdate(const std::int64_t* index, const float* td_error, std::int64_t n);

  // The priority of a live transition, already raised to alpha.
  float Priority(std::int64_t index) const;

  // What a new transition gets; starts at 1.
  float max_priority() const { return max_priority_; }

  // Lowers the maximum priority to that of the live transitions (1 if there is none). O(slots
  // used).
  void ResetMaxPriority();

  // Number of Sample calls so far; may be set to repeat or skip draws.
  std::uint64_t draw_counter() const { return draw_counter_; }
  void set_draw_counter(std::uint64_t counter) { draw_counter_ = counter; }

  // Bytes held: committed pages of rows and weights, bookkeeping included.
  std::size_t CommittedBytes() const;

  const SumTree& tree() const { return tree_; }

  // Everything but the config, for exact continuation (lap_state.h).
  std::size_t StateBytes() const;
  void WriteState(StateWriter* writer) const;
  // REQUIRES: a new buffer of the same config. Throws std::invalid_argument, leaving it
  // unspecified.
  void ReadState(StateReader* reader);
  // Whether what ReadState read is free of contradictions. O(slots used (S + A)).
  bool StateIsSound() const;

 private:
  struct Stream {
    std::uint32_t segment = SegmentQueue::kNone;
    std::int32_t next = 0;  // offset in the segment where the next transition goes
    bool open = false;      // an episode is open; its last next_obs is at `next`
  };

  void CheckStream(std::int64_t stream) const;
  void CheckSegmentLeft() const;
  bool RowIsSound(std::int64_t slot) const;
  bool SegmentIsSound(std::uint32_t id) const;
  bool StreamIsSound(const Stream& stream) const;
  bool SparseSegmentsAreFew() const;
  std::int64_t SlotOf(const Stream& stream) const {
    return std::int64_t{stream.segment} * segment_slots_ + stream.next;
  }
  std::int64_t OpenSlot(Stream* stream, const float* obs);
  void Publish(Stream* stream, std::int64_t count, const float* next_obs);
  void MakeRoom(std::int64_t wanted);

  LapConfig config_;
  int segment_slots_;
  SumTree tree_;
  RowStore rows_;
  SegmentQueue segments_;
  std::vector<Stream> streams_;
  std::int64_t live_ = 0;
  float max_priority_ = 1.0F;
  std::uint64_t draw_counter_ = 0;
};

}  // namespace td7

#endif  // TD7_REPLAY_LAP_BUFFER_H_
