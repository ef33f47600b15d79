// The time that a control loop goes by; a test puts a clock of its own in its place.
//
// Threads: at any time. Errors: none.
#ifndef TD7_CONTROLLER_LOOP_CLOCK_H_
#define TD7_CONTROLLER_LOOP_CLOCK_H_

#include <cstdint>

namespace td7 {

class LoopClock {
 public:
  LoopClock() = default;
  LoopClock(const LoopClock&) = delete;
  LoopClock& operator=(const LoopClock&) = delete;
  virtual ~LoopClock() = default;

  // Nanoseconds since some moment; never goes back.
  virtual std::int64_t Now() noexcept = 0;

  // Waits until that time, or less long if a signal arrives.
  virtual void WaitUntil(std::int64_t ns) noexcept = 0;
};

// The system's monotonic clock. It waits for a time, not for so long, so that delays do not add up.
class SteadyClock : public LoopClock {
 public:
  std::int64_t Now() noexcept override;
  void WaitUntil(std::int64_t ns) noexcept override;
};

}  // namespace td7

#endif  // TD7_CONTROLLER_LOOP_CLOCK_H_
