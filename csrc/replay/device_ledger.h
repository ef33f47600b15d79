// The host's half of a LAP replay whose rows and priorities live elsewhere, on a GPU: P members
// behind one lock.
//
//   AddStep, AddEpisode -> checked and packed rows, and the slots where they go
//   FillUniforms        -> what the draws of a batch take
//   Save, Read, Restore <-> the file of lap_state.h
//
// It answers as LapReplay does, to the bit: the same slots, evictions, uniforms, files and errors.
// What it has handed out is for the caller to follow at once: evicted slots get weight 0, then the
// rows are copied and their slots get the maximum priority.
//
// Errors: as LapReplay's; nothing is changed by a call that throws, running out of memory aside.
// Threads: every method may be called at any time. Ownership: arguments are read, and outputs
// written, during the call only.
#ifndef TD7_REPLAY_DEVICE_LEDGER_H_
#define TD7_REPLAY_DEVICE_LEDGER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "replay/lap_buffer.h"
#include "replay/lap_state.h"
#include "replay/slots/slot_ledger.h"

namespace td7 {

class LapLedgers {
 public:
  using Members = std::vector<std::int64_t>;
  using Runs = std::vector<std::array<std::int64_t, 2>>;  // first slot and count

  // Where the rows of a call go, one after the other. A run of `count` rows is followed, in the
  // next slot, by the obs alone of the row after them. `evicted` comes first: its slots may be
  // among those of `runs`.
  struct Placement {
    Runs evicted;
    Runs runs;
  };

  // What the caller keeps of a member, in host memory, for Save.
  struct Numbers {
    float max_priority;
    const float* weights;
    std::int64_t weight_count;  // used_slots
    const float* rows;          // [row_count, S + A + 2], as in row_store.h
    std::int64_t row_count;     // made_slots
  };

  // One member a seed; config.seed is not used.
  LapLedgers(LapConfig config, const std::vector<std::uint64_t>& seeds);

  std::int64_t members() const { return static_cast<std::int64_t>(configs_.size()); }
  const LapConfig& config() const { return configs_.front(); }

  // The floats of a row: obs, action, reward, not_terminated.
  std::int64_t row_floats() const { return RowFloats(config()); }

  // LapBuffer's methods of one member; `rows` [count + 1, S + A + 2] gets the packed rows, the last
  // one an obs and zeros; count = 1 for AddStep.
  Placement AddStep(std::int64_t member, std::int64_t stream, const float* obs, const float* action,
                    float reward, const float* next_obs, bool terminated, bool truncated,
                    float* rows);
  Placement AddEpisode(std::int64_t member, std::int64_t stream, const Transitions& steps,
                       bool terminated, float* rows);
  // As LapBuffer::AddRows; `rows` [count, S + A + 2] gets the packed rows, next_obs is the caller's
  // to place: each row is a run of its own.
  Placement AddRows(std::int64_t member, std::int64_t first_stream, const Transitions& steps,
                    const float* next_obs, const std::uint8_t* terminated,
                    const std::uint8_t* truncated, float* rows);
  void EndEpisode(std::int64_t member, std::int64_t stream);

  // Makes these members as new, but for their draw counters; indices drawn before are stale.
  void Clear(const Members& members);

  // What made_slots will be at most after one AddStep or AddEpisode of `steps` <= capacity.
  std::int64_t SlotsAfter(std::int64_t member, std::int64_t stream, std::int64_t steps);

  // The same after one AddRows of `rows` from this stream on.
  std::int64_t SlotsAfterRows(std::int64_t member, std::int64_t first_stream, std::int64_t rows);

  // out [calls, M, levels, n]: the uniforms of the next `calls` batches of n draws of distinct
  // members, the leaves' level first (SumTree::Draw); their draw counters advance by `calls`. A
  // member whose tree has fewer levels may be drawn from with all: from its root up there is but
  // one way. Throws what LapReplay::Sample would.
  void FillUniforms(const Members& members, std::int64_t calls, std::int64_t n, std::int64_t levels,
                    double* out);

  // Throws unless these members are there, distinct, and hold transitions to draw n of.
  void CheckSample(const Members& members, std::int64_t n);

  // Throws unless these members are there and distinct.
  void CheckMembers(const Members& members);

  // Throws std::out_of_range unless the slot holds a transition.
  void CheckIndex(std::int64_t member, std::int64_t index);

  // read(const SlotLedger&) of one member, under the lock.
  template <typename Read>
  auto Get(std::int64_t member, const Read& read) {
    const Lock alone(mutex_);
    const SlotLedger& ledger = Of(member).ledger;
    return read(ledger);
  }

  // Levels of the member's tree: the least L >= 1 with 16^L >= used_slots.
  std::int64_t Levels(std::int64_t member);

  std::uint64_t DrawCounter(std::int64_t member);
  void SetDrawCounter(std::int64_t member, std::uint64_t counter);

  std::size_t CommittedBytes();

  // Writes the file of lap_state.h. `numbers` has one entry a member. Throws std::invalid_argument
  // if a count is not the ledger's.
  void Save(const std::string& path, const RowsPlace& place, const std::vector<Numbers>& numbers);

  // Reads such a file; Restore then goes on from what Read gave, and takes it: rows and weights of
  // the buffers stay where they are. Throws std::invalid_argument if it was read by another.
  std::vector<LapBuffer> Read(const std::string& path) const;
  void Restore(std::vector<LapBuffer>* loaded);

 private:
  using Lock = std::lock_guard<std::mutex>;

  struct Member {
    explicit Member(const LapConfig& config);

    SlotLedger ledger;
    std::uint64_t draw_counter = 0;
    std::vector<std::vector<float>> last_obs;  // a stream: what its open episode goes on from
  };

  Member& Of(std::int64_t member);
  bool Continues(const Member& member, std::int64_t stream, const float* obs) const;
  void PackStep(const float* obs, const float* action, float reward, bool terminated,
                float* row) const;

  std::vector<LapConfig> configs_;
  std::vector<Member> members_;
  std::mutex mutex_;
};

}  // namespace td7

#endif  // TD7_REPLAY_DEVICE_LEDGER_H_
