// Walker2d-v5: a planar walker on two legs.
#include <memory>

#include "rollout/tasks/makers.h"
#include "rollout/tasks/planar_walker.h"

namespace td7 {
namespace {

class Walker2d final : public PlanarWalker {
 public:
  Walker2d(const mjModel& model, TaskArgReader* args) : PlanarWalker(model, args) {}

 private:
  bool IsHealthy(const mjModel&, const mjData& data) const override { return IsUpright(data); }
};

}  // namespace

std::unique_ptr<Task> MakeWalker2d(const mjModel& model, TaskArgReader* args) {
  return std::make_unique<Walker2d>(model, args);
}

}  // namespace td7
