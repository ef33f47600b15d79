// Hopper-v5: a planar walker that must keep its whole state within a range too.
#include <cstdint>

#include "rollout/tasks/planar_walker.h"
#include "rollout/tasks/task_entry.h"

namespace td7 {
namespace {

class Hopper final : public PlanarWalker {
 public:
  Hopper(const mjModel& model, TaskArgReader* args)
      : PlanarWalker(model, args), healthy_state_range_(args->Bounds("healthy_state_range")) {}

 private:
  // all of the state but x and z
  bool IsHealthy(const mjModel& model, const mjData& data) const override {
    bool healthy = IsUpright(data);
    for (std::int64_t i = 2; i < model.nq; ++i)
      healthy &= IsWithin(data.qpos[i], healthy_state_range_);
    for (std::int64_t i = 0; i < model.nv; ++i)
      healthy &= IsWithin(data.qvel[i], healthy_state_range_);
    return healthy;
  }

  Range healthy_state_range_;
};

}  // namespace

TaskEntry HopperTask() {
  return {"Hopper-v5",
          &MakeOf<Hopper>,
          {"hopper.xml",
           1000,
           {{"frame_skip", std::int64_t{4}},
            {"forward_reward_weight", 1.0},
            {"ctrl_cost_weight", 0.001},
            {"healthy_reward", 1.0},
            {"terminate_when_unhealthy", true},
            {"healthy_state_range", Range{-100.0, 100.0}},
            {"healthy_z_range", Range{0.7, kInfinity}},
            {"healthy_angle_range", Range{-0.2, 0.2}},
            {"reset_noise_scale", 0.005},
            {"exclude_current_positions_from_observation", true}}}};
}

}  // namespace td7
