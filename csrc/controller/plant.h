// What a control loop controls: a robot, or a simulation of one.
//
// Threads: the loop's alone. Errors: by what the calls return. No call should allocate or
// wait: its time is the loop's.
#ifndef TD7_CONTROLLER_PLANT_H_
#define TD7_CONTROLLER_PLANT_H_

#include <cstdint>

namespace td7 {

class Plant {
 public:
  Plant() = default;
  Plant(const Plant&) = delete;
  Plant& operator=(const Plant&) = delete;
  virtual ~Plant() = default;

  // Writes the newest observation [S] and how many nanoseconds old it is. False: there is none, and
  // obs holds anything.
  [[nodiscard]] virtual bool Observe(float* obs, std::int64_t* age_ns) noexcept = 0;

  // Acts: action [A] is finite and within the bounds. False: the plant can no longer act, and the
  // loop ends.
  [[nodiscard]] virtual bool Apply(const float* action) noexcept = 0;

  // Acts for the last time, as the loop ends: what follows is no part of the run.
  [[nodiscard]] virtual bool Finish(const float* action) noexcept { return Apply(action); }
};

}  // namespace td7

#endif  // TD7_CONTROLLER_PLANT_H_
