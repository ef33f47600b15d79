// What Humanoid-v5 and HumanoidStandup-v5 observe: the state, and by choice inertias and velocities
// of the bodies, actuator forces and contact forces.
#ifndef TD7_ROLLOUT_TASKS_HUMANOID_OBS_H_
#define TD7_ROLLOUT_TASKS_HUMANOID_OBS_H_

#include <mujoco/mujoco.h>

#include <cstdint>

#include "rollout/task_args.h"

namespace td7 {

class HumanoidObs {
 public:
  // Reads exclude_... and include_..._in_observation. Throws std::invalid_argument for a model
  // without a free root.
  HumanoidObs(const mjModel& model, TaskArgReader* args);

  std::int64_t size() const { return size_; }

  // obs [size()]
  void Write(const mjModel& model, const mjData& data, double* obs) const;

 private:
  std::int64_t skipped_;  // leading positions that are not observed
  bool inertias_;
  bool velocities_;
  bool actuator_forces_;
  bool contact_forces_;
  std::int64_t size_;
};

}  // namespace td7

#endif  // TD7_ROLLOUT_TASKS_HUMANOID_OBS_H_
