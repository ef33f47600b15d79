// LAP replay of one member: stores transitions, draws them in proportion to priority, keeps the
// priorities.
//
// Source: Fujimoto, Meger, Precup, "An Equivalence between Loss Functions and Non-Uniform Sampling
// in Experience Replay" (NeurIPS 2020): priority = max(|td error|, min_priority)^alpha, new
// transitions get the maximum priority.
//
//   Add...              -> slots (SlotLedger) -> rows (RowStore) and weights (SumTree)
//   Sample              <- rows <- slots drawn by weight
//   UpdatePriorities    -> weights
//
// Slots. A transition's index is its slot; slot_ledger.h says which slots hold what, and which
// transitions a full buffer evicts. A live slot has a weight above zero, every other one 0.
// Capacity counts transitions, exactly; memory is committed as slots are first used.
//
// AddStep continues the open episode in place if `obs` has the very bits of the last next_obs; if
// it has not, the open episode is closed and a new one starts. What is drawn is the same either
// way, only a slot more is used; unordered transitions may therefore be added one by one, at two
// slots each.
//
// An index is valid until transitions are added to the buffer: that may evict the transition and
// give its slot to another one, to which the index then belongs. Whoever remembers segments_begun()
// of the moment of the draw can tell: the methods that take `drawn_at` leave stale indices out.
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
#include <string>
#include <utility>

#include "replay/rows/row_store.h"
#include "replay/slots/slot_ledger.h"
#include "replay/tree/sum_tree.h"

namespace td7 {

struct MemberState;

static_assert(sizeof(std::size_t) >= 8, "slots times bytes a row must fit a std::size_t");

struct LapConfig {
  std::int64_t capacity = 1'000'000;  // transitions
  int obs_size = 0;
  int action_size = 0;
  int streams = 1;            // independent writers, e.g. environments
  double alpha = 0.4;         // in [0, 1]; 0 draws uniformly
  double min_priority = 1.0;  // floor of |td error| before the power
  std::uint64_t seed = 0;
  std::string scratch_dir;  // folder of an unnamed file for the rows; empty: they lie in memory
};

// The stream of the draws of a replay.
inline constexpr std::uint32_t kDrawStream = StreamId("replay");

// The floats of a row of row_store.h.
inline std::int64_t RowFloats(const LapConfig& config) {
  return std::int64_t{config.obs_size} + config.action_size + 2;
}

class LapBuffer {
 public:
  // Throws std::invalid_argument on a bad config, std::bad_alloc if the address space cannot be
  // reserved, std::system_error if scratch_dir cannot be used; so do the methods that add, if the
  // disk is full.
  explicit LapBuffer(const LapConfig& config);

  const LapConfig& config() const { return config_; }

  // Number of live transitions.
  std::int64_t size() const { return ledger_.size(); }

  int segment_slots() const { return ledger_.segment_slots(); }

  // Adds one transition. obs and next_obs [S], action [A], all finite. The episode of the stream
  // ends with it if terminated (which also ends the bootstrap) or truncated. O(S + A + levels).
  void AddStep(std::int64_t stream, const float* obs, const float* action, float reward,
               const float* next_obs, bool terminated, bool truncated);

  // Closes the stream's open episode, if any: the next step starts a new one. O(1).
  void EndEpisode(std::int64_t stream);

  // Adds a whole episode of 1 <= count <= capacity transitions, all of which can be drawn
  // afterwards; closes the stream's open episode first. obs is [count + 1, S]; `terminated` says
  // how the last step ended. O(count (S + A)).
  void AddEpisode(std::int64_t stream, const Transitions& steps, bool terminated);

  // Adds 1 <= count <= capacity transitions that AddStep might add in turn, all or none
  // (running out of memory aside): a data
  // set, or transitions in no order. next_obs [count, S]; terminated and
  // truncated [count], 0 or not. O(count
  // (S + A)).
  void AddTransitions(std::int64_t stream, const Transitions& steps, const float* next_obs,
                      const std::uint8_t* terminated, const std::uint8_t* truncated);

  // Adds 1 <= count <= capacity transitions of different streams, row i to stream first_stream + i,
  // all or none; all can be drawn afterwards. Arguments as of AddTransitions. O(count (S + A)).
  void AddRows(std::int64_t first_stream, const Transitions& steps, const float* next_obs,
               const std::uint8_t* terminated, const std::uint8_t* truncated);

  // Draws n transitions with replacement, advances the draw counter by one; the indices are valid
  // until the next transition is added. Outputs that overlap are filled in an unspecified order,
  // nothing else is harmed. O(n (S + A + levels)).
  void Sample(std::int64_t n, const SampleOutput& output);

  // priority(index[i]) = max(td_error[i], min_priority)^alpha, in order: of equal indices the last
  // one wins. The maximum priority grows with all n new ones. td_error: finite, not negative.
  // REQUIRES: nobody writes to the arguments meanwhile. O(n levels).
  void UpdatePriorities(const std::int64_t* index, const float* td_error, std::int64_t n);

  // The same for transitions that were drawn when segments_begun() was `drawn_at`. Leaves out those
  // that are gone and returns how many that were; throws std::out_of_range for an index that no
  // slot has, std::invalid_argument for a drawn_at that is yet to come.
  std::int64_t UpdatePriorities(const std::int64_t* index, const float* td_error, std::int64_t n,
                                std::int64_t drawn_at);

  // How often a segment has been begun: to be kept with the indices of a draw.
  std::int64_t segments_begun() const { return ledger_.segments_begun(); }

  // For a buffer that replaces one whose segments_begun() was `begun`: all indices drawn from that
  // one are stale.
  void Replaces(std::int64_t begun) { ledger_.Replaces(begun); }

  // The two halves of Sample and UpdatePriorities, for callers that check several buffers before
  // changing any: Check* throws what the method would; the rest REQUIRES that the check has passed.
  // `row` >= 0 is put before the place in messages: index[row, i]. A null drawn_at is none.
  void CheckSample(std::int64_t n) const;
  void DrawAndGather(std::int64_t n, const SampleOutput& output);
  void CheckUpdate(const std::int64_t* index, const float* td_error, std::int64_t n,
                   std::int64_t row = -1, const std::int64_t* drawn_at = nullptr) const;
  std::int64_t ApplyUpdate(const std::int64_t* index, const float* td_error, std::int64_t n,
                           const std::int64_t* drawn_at = nullptr);

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
  MemberState State() const;  // points into the buffer
  PieceSums* sums() { return rows_.sums(); }
  // `pieces` is the folder of the rows, empty if they are in the file. REQUIRES: a new buffer of
  // the same config. Throws std::invalid_argument and std::system_error, leaving it unspecified.
  void ReadState(const std::string& pieces, StateReader* reader);
  // Whether what ReadState read is free of contradictions. O(slots used (S + A)).
  bool StateIsSound() const;
  // Hands the ledger over; of the buffer only rows and weights may be used afterwards.
  SlotLedger TakeLedger() { return std::move(ledger_); }

 private:
  bool RowIsSound(std::int64_t slot) const;
  SlotLedger::Run Open(std::int64_t stream, std::int64_t wanted, const float* obs);
  void Publish(std::int64_t stream, const SlotLedger::Run& run, const float* next_obs);
  void Append(std::int64_t stream, const Transitions& steps, const float* last_obs,
              bool terminated);
  void MakeRoom(std::int64_t wanted);
  void CheckDrawn(const std::int64_t* index, std::int64_t n, std::int64_t row,
                  std::int64_t drawn_at) const;
  void SetPriorities(const std::int64_t* index, const float* td_error, std::int64_t n);

  LapConfig config_;
  SlotLedger ledger_;
  SumTree tree_;
  RowStore rows_;
  float max_priority_ = 1.0F;
  std::uint64_t draw_counter_ = 0;
};

}  // namespace td7

#endif  // TD7_REPLAY_LAP_BUFFER_H_
