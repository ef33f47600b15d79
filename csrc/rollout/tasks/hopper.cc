// Hopper-v5: a planar walker that must keep its whole state within a range too.
#include <cstdint>
#include <memory>

#include "rollout/tasks/makers.h"
#include "rollout/tasks/planar_walker.h"

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

std::unique_ptr<Task> MakeHopper(const mjModel& model, TaskArgReader* args) {
  return std::make_unique<Hopper>(model, args);
}

}  // namespace td7
