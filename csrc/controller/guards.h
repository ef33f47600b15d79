// What stands between a policy and the world: no observation reaches the policy, and no action the
// plant, that is not sound.
//
//   observation  missing, NaN or infinite, out of its range, too old or of the future: the last
//                action is held for `hold` periods in a row, then the safe action is taken
//   action       NaN or infinite, or the policy failed: the safe action
//                else clipped to the bounds, then to `max_step` from the last action
//
// The safe action is taken at once, however far it is from the last; what follows it is limited
// from there, and so is the first action. Before the policy's first action there is none to hold:
// the safe one is taken.
//
// Threads: one at a time. Errors: the constructor throws std::invalid_argument that names the
// setting; the rest neither throws nor allocates. Ownership: pointers are used during the call.
#ifndef TD7_CONTROLLER_GUARDS_H_
#define TD7_CONTROLLER_GUARDS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace td7 {

enum class FaultKind {
  kNoObs,            // the plant had none
  kObsNotFinite,     // NaN or infinity
  kObsOutOfRange,    // of the plausible
  kObsStale,         // older than the limit, or of the future
  kPolicyFailed,     // its backend did
  kActionNotFinite,  // NaN or infinity
};
inline constexpr std::size_t kFaultKinds = 6;

// "no observation", "observation not finite", ...
const char* FaultName(FaultKind kind);

struct Fault {
  std::int64_t period;
  FaultKind kind;
  int entry;  // the first bad number of the observation or the action; -1: all of it
};

struct GuardSettings {
  std::vector<float> low, high;          // of actions [A], finite, low <= high
  int obs_size = 0;                      // S
  std::vector<float> obs_low, obs_high;  // [S] what is plausible, ends included; or empty: anything
  std::int64_t stale_ns = 0;             // the oldest observation to act on; 0: any
  std::int64_t hold = 0;                 // periods
  double max_step = 0.0;                 // what an entry may change by in a period; 0: anything
  std::vector<float> safe;               // [A] within the bounds; empty: zeros, clipped to them
};

class Guards {
 public:
  static constexpr std::size_t kMostFaults = 1000;  // kept; all are counted

  explicit Guards(GuardSettings settings);

  // Whether the policy may see the observation, which `had` says was there; if not, notes a fault.
  bool PassObs(std::int64_t period, bool had, const float* obs, std::int64_t age_ns) noexcept;

  // Writes the action of a period without a sound observation: the last one or the safe one.
  void Substitute(float* action) noexcept;

  // Makes the policy's action [A] one to take; `acted` is what the policy returned.
  void PassAction(std::int64_t period, bool acted, float* action) noexcept;

  int obs_size() const { return settings_.obs_size; }                // S
  const std::vector<float>& safe() const { return settings_.safe; }  // [A]

  // What happened. The first faults in their order, then only how many there were of each kind.
  const std::vector<Fault>& faults() const { return faults_; }
  std::int64_t faults_of(FaultKind kind) const { return counts_[static_cast<std::size_t>(kind)]; }
  std::int64_t held() const { return held_; }        // periods with the last action
  std::int64_t saved() const { return saved_; }      // periods with the safe action
  std::int64_t clipped() const { return clipped_; }  // periods with an action out of bounds
  std::int64_t slowed() const { return slowed_; }    // periods with a change above max_step

 private:
  void Note(std::int64_t period, FaultKind kind, int entry) noexcept;
  void TakeSafe(float* action) noexcept;

  GuardSettings settings_;
  std::vector<float> last_;  // [A]
  bool acted_ = false;       // whether an action of the policy was taken
  std::int64_t bad_in_a_row_ = 0;
  std::vector<Fault> faults_;
  std::array<std::int64_t, kFaultKinds> counts_{};
  std::int64_t held_ = 0, saved_ = 0, clipped_ = 0, slowed_ = 0;
};

}  // namespace td7

#endif  // TD7_CONTROLLER_GUARDS_H_
