// A policy in a loop of a fixed rate, whatever it controls.
//
//   period k begins at start + k * period_ns:
//   wait -> observe -> guards -> policy -> guards -> apply
//
// Work that ends after its period's end is late; periods that have begun by then are skipped, never
// made up for in a burst: the loop goes on with the next one to begin. A late period and a skipped
// one have each missed their deadline.
//
// Threads: all calls come from the caller's. Errors: the constructor and Run throw
// std::invalid_argument for what they cannot work with, Run before its first period. From there on
// it neither throws nor allocates, unless the policy or the plant does.
#ifndef TD7_CONTROLLER_CONTROL_LOOP_H_
#define TD7_CONTROLLER_CONTROL_LOOP_H_

#include <atomic>
#include <cstdint>
#include <vector>

#include "controller/guards.h"
#include "controller/loop_clock.h"
#include "controller/plant.h"
#include "controller/time_histogram.h"
#include "runtimes/controller_policy.h"

namespace td7 {

struct LoopSettings {
  std::int64_t period_ns = 0;               // > 0
  std::int64_t periods = 0;                 // the loop ends after so many
  const std::atomic<bool>* stop = nullptr;  // ends it sooner, before the next period's work
};

struct LoopResult {
  enum class End { kTime, kStopped, kPlantFailed };

  End end = End::kTime;
  std::int64_t done = 0;     // periods with work
  std::int64_t late = 0;     // of these, with work that ended too late
  std::int64_t skipped = 0;  // periods without work
  TimeHistogram lateness;    // from a period's begin to the wake-up
  TimeHistogram policy;      // calls of the policy
  TimeHistogram work;        // from the wake-up to the action's application

  std::int64_t periods() const { return done + skipped; }
  std::int64_t missed() const { return late + skipped; }
};

class ControlLoop {
 public:
  // Only wakes up, for comparison.
  explicit ControlLoop(LoopClock* clock) : clock_(clock) {}

  // All must live longer. Throws std::invalid_argument unless policy and guards are of one size.
  ControlLoop(LoopClock* clock, Plant* plant, ControllerPolicy* policy, Guards* guards);

  // Runs to the end and adds up what happened. With a plant the safe action is applied last, unless
  // the plant has failed.
  void Run(const LoopSettings& settings, LoopResult* result);

 private:
  bool WaitUntil(std::int64_t due, const std::atomic<bool>* stop, std::int64_t* now) noexcept;
  bool Work(std::int64_t period, LoopResult* result) noexcept;

  LoopClock* clock_;
  Plant* plant_ = nullptr;
  ControllerPolicy* policy_ = nullptr;
  Guards* guards_ = nullptr;
  std::vector<float> obs_, action_;
};

}  // namespace td7

#endif  // TD7_CONTROLLER_CONTROL_LOOP_H_
