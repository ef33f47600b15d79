// Walker2d-v5: a planar walker on two legs.
#include <cstdint>

#include "rollout/tasks/planar_walker.h"
#include "rollout/tasks/task_entry.h"

namespace td7 {
namespace {

class Walker2d final : public PlanarWalker {
 public:
  Walker2d(const mjModel& model, TaskArgReader* args) : PlanarWalker(model, args) {}

 private:
  bool IsHealthy(const mjModel&, const mjData& data) const override { return IsUpright(data); }
};

}  // namespace

TaskEntry Walker2dTask() {
  return {"Walker2d-v5",
          &MakeOf<Walker2d>,
          {"walker2d_v5.xml",
           1000,
           {{"frame_skip", std::int64_t{4}},
            {"forward_reward_weight", 1.0},
            {"ctrl_cost_weight", 0.001},
            {"healthy_reward", 1.0},
            {"terminate_when_unhealthy", true},
            {"healthy_z_range", Range{0.8, 2.0}},
            {"healthy_angle_range", Range{-1.0, 1.0}},
            {"reset_noise_scale", 0.005},
            {"exclude_current_positions_from_observation", true}}}};
}

}  // namespace td7
