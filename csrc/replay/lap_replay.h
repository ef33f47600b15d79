// The LAP buffers of P members behind one lock: what threads share.
//
// Every call checks everything before it changes anything, for all members it names, and does its
// whole job under the lock. The members share one config but for the seed.
//
// Errors: as LapBuffer's; a member out of range is std::out_of_range, one named twice is
// std::invalid_argument. Threads: every method may be called at any time. Ownership: arguments are
// read, and outputs written, during the call only; no other thread may write to the arguments
// meanwhile.
#ifndef TD7_REPLAY_LAP_REPLAY_H_
#define TD7_REPLAY_LAP_REPLAY_H_

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "replay/lap_buffer.h"
#include "replay/lap_state.h"

namespace td7 {

class LapReplay {
 public:
  using Members = std::vector<std::int64_t>;

  // One member a seed; config.seed is not used.
  LapReplay(LapConfig config, const std::vector<std::uint64_t>& seeds);

  std::int64_t members() const { return static_cast<std::int64_t>(configs_.size()); }
  const LapConfig& config() const { return configs_.front(); }

  // LapBuffer's methods of one member.
  void AddStep(std::int64_t member, std::int64_t stream, const float* obs, const float* action,
               float reward, const float* next_obs, bool terminated, bool truncated);
  void AddEpisode(std::int64_t member, std::int64_t stream, const Transitions& steps,
                  bool terminated);
  void AddTransitions(std::int64_t member, std::int64_t stream, const Transitions& steps,
                      const float* next_obs, const std::uint8_t* terminated,
                      const std::uint8_t* truncated);
  void AddRows(std::int64_t member, std::int64_t first_stream, const Transitions& steps,
               const float* next_obs, const std::uint8_t* terminated,
               const std::uint8_t* truncated);
  void EndEpisode(std::int64_t member, std::int64_t stream);
  void SetDrawCounter(std::int64_t member, std::uint64_t counter);

  // LapBuffer's methods of M distinct members; arrays have the leading axes [M, n]. An index is
  // valid until the next transition is added to its member; drawn_at [M] tells the stale ones,
  // which UpdatePriorities leaves out and counts. A null drawn_at is not filled, or not given.
  void Sample(const Members& members, std::int64_t n, const SampleOutput& output,
              std::int64_t* drawn_at = nullptr);
  std::int64_t UpdatePriorities(const Members& members, const std::int64_t* index,
                                const float* td_error, std::int64_t n,
                                const std::int64_t* drawn_at = nullptr);
  void ResetMaxPriority(const Members& members);

  // Makes these members as new, but for their draw counters; indices drawn before are stale.
  void Clear(const Members& members);

  // read(const LapBuffer&) of one member, under the lock.
  template <typename Read>
  auto Get(std::int64_t member, const Read& read) {
    const Lock alone(mutex_);
    return read(std::as_const(Member(member)));
  }

  std::size_t CommittedBytes();

  // See lap_state.h. A load that throws changes nothing.
  void Save(const std::string& path, const RowsPlace& place);
  void Load(const std::string& path);

 private:
  using Lock = std::lock_guard<std::mutex>;

  LapBuffer& Member(std::int64_t member);

  std::vector<LapConfig> configs_;
  std::vector<LapBuffer> members_;
  std::mutex mutex_;
};

}  // namespace td7

#endif  // TD7_REPLAY_LAP_REPLAY_H_
