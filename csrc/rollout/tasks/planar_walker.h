// What Hopper-v5 and Walker2d-v5 have in common: run forward in the plane, with little control, and
// stay upright. They differ in what is healthy.
#ifndef TD7_ROLLOUT_TASKS_PLANAR_WALKER_H_
#define TD7_ROLLOUT_TASKS_PLANAR_WALKER_H_

#include <mujoco/mujoco.h>

#include <cstdint>

#include "rollout/task.h"
#include "rollout/task_args.h"

namespace td7 {

class PlanarWalker : public Task {
 public:
  void Reset(const mjModel& model, mjData* data, NumpyGenerator* random) const override;
  void Remember(const mjModel& model, const mjData& data, double* memory) const override;
  Outcome Score(const mjModel& model, const mjData& data, const Action& action,
                const double* memory, double* info) const override;
  void Observe(const mjModel& model, const mjData& data, double* obs) const override;
  void ResetInfo(const mjModel& model, const mjData& data, double* info) const override;

 protected:
  PlanarWalker(const mjModel& model, TaskArgReader* args);

  // Whether height and angle of the torso, qpos[1] and qpos[2], are within their ranges.
  bool IsUpright(const mjData& data) const;

 private:
  virtual bool IsHealthy(const mjModel& model, const mjData& data) const = 0;

  double forward_reward_weight_;
  double ctrl_cost_weight_;
  double healthy_reward_;
  bool terminate_when_unhealthy_;
  Range healthy_z_range_;
  Range healthy_angle_range_;
  double reset_noise_scale_;
  std::int64_t skipped_;  // leading positions that are not observed
};

}  // namespace td7

#endif  // TD7_ROLLOUT_TASKS_PLANAR_WALKER_H_
