// The transitions themselves, as packed rows of float32 in one array:
//
//   row r:  obs[S] action[A] reward not_terminated      S + A + 2 floats, no padding
//
// Row 0 is 64-byte aligned.
// next_obs of row r is obs of row r + 1, so a transition is read from one stretch of memory and
// stored once. Rows know nothing of priorities, segments or episodes. Memory is committed as far as
// rows are used. Not thread-safe for writes. Movable, not copyable.
#ifndef TD7_REPLAY_ROWS_ROW_STORE_H_
#define TD7_REPLAY_ROWS_ROW_STORE_H_

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "replay/memory/reserved_memory.h"
#include "replay/memory/scratch_file.h"
#include "replay/rows/row_pieces.h"

namespace td7 {

// Consecutive transitions of a caller, dense and row-major: obs [count, S] or as said, action
// [count, A], reward [count].
struct Transitions {
  std::int64_t count;
  const float* obs;
  const float* action;
  const float* reward;
};

// Caller-owned outputs of a sample of B rows, dense and row-major. probability may be null.
struct SampleOutput {
  // The same outputs without the rows before `first`.
  SampleOutput From(std::int64_t first, std::int64_t obs_size, std::int64_t action_size) const {
    return {obs + first * obs_size,
            action + first * action_size,
            reward + first,
            next_obs + first * obs_size,
            not_terminated + first,
            index + first,
            probability == nullptr ? nullptr : probability + first};
  }

  float* obs;             // [B, S]
  float* action;          // [B, A]
  float* reward;          // [B]
  float* next_obs;        // [B, S]
  float* not_terminated;  // [B], 0 at a true termination, else 1
  std::int64_t* index;    // [B], the slots drawn
  double* probability;    // [B], the chance that one draw gives this slot
};

class RowStore {
 public:
  // In memory if scratch_dir is empty, else in an unnamed file in that folder. Throws
  // std::bad_alloc, std::system_error.
  RowStore(std::int64_t max_rows, int obs_size, int action_size, const std::string& scratch_dir);

  // Makes the rows below rows() usable; REQUIRED before they are. Asks for their number only if
  // they lie in a file. Throws std::system_error if the disk is full.
  template <typename Rows>
  void Reach(const Rows& rows) {
    if (!memory_) file_.Reach(static_cast<std::size_t>(rows()) * row_bytes());
  }

  std::size_t obs_size() const { return obs_size_; }
  std::size_t action_size() const { return action_size_; }
  std::size_t row_bytes() const { return stride_ * sizeof(float); }
  const float* row(std::int64_t index) const { return rows_ + Offset(index); }

  // True if the row's obs has these very bits (0.0 and -0.0 differ).
  bool SameObs(std::int64_t index, const float* obs) const;

  void WriteObs(std::int64_t index, const float* obs);

  // For whoever restores what was saved. REQUIRES: Reach; no row has been written.
  float* BeginRestore() { return rows_; }

  // The checksums of what has been written so far.
  PieceSums* sums() { return &sums_; }

  // Writes all of a row but its obs.
  void WriteStep(std::int64_t index, const float* action, float reward, bool terminated);

  // Copies the rows slots[0 .. n) to all arrays but index and probability. REQUIRES: a row after
  // each of them; `slots` is not part of the output.
  void Gather(const std::int64_t* slots, std::size_t n, const SampleOutput& output) const;

  // Bytes of memory held; those of a file are not.
  std::size_t CommittedBytes(std::int64_t used_rows) const {
    return memory_ ? memory_->CommittedBytes(static_cast<std::size_t>(used_rows) * row_bytes()) : 0;
  }

 private:
  std::size_t Offset(std::int64_t index) const {
    assert(index >= 0 && index < max_rows_);
    return static_cast<std::size_t>(index) * stride_;
  }

  [[maybe_unused]] std::int64_t max_rows_;  // for assert
  std::size_t obs_size_;
  std::size_t action_size_;
  std::size_t stride_;  // floats a row
  PieceSums sums_;
  std::optional<ReservedMemory> memory_;  // where the rows lie, or
  ScratchFile file_;
  float* rows_;
};

}  // namespace td7

#endif  // TD7_REPLAY_ROWS_ROW_STORE_H_
