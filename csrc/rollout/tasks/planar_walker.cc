#include "rollout/tasks/planar_walker.h"

#include <cstdint>

#include "rollout/numpy_math.h"
#include "rollout/tasks/info_fields.h"
#include "rollout/tasks/model_checks.h"
#include "rollout/tasks/reset_noise.h"
#include "rollout/tasks/row_writer.h"

namespace td7 {
namespace {

TaskShape Shape(const mjModel& model, TaskArgReader* args) {
  NeedAtLeast(args->task_id(), 3, kPositions, model.nq);
  const std::int64_t skipped = args->Flag("exclude_current_positions_from_observation") ? 1 : 0;
  TaskShape shape;
  shape.obs_size = model.nq + model.nv - skipped;
  shape.frame_skip = args->FrameSkip();
  shape.memory_size = 1;
  shape.info = {
      AtReset("x_position"),    AtReset("z_distance_from_origin"),        InStep("x_velocity"),
      InStep("reward_forward"), InStep("reward_ctrl", InfoType::kAction), HealthyReward(args)};
  return shape;
}

}  // namespace

PlanarWalker::PlanarWalker(const mjModel& model, TaskArgReader* args)
    : Task(Shape(model, args)),
      forward_reward_weight_(args->Number("forward_reward_weight")),
      ctrl_cost_weight_(args->Number("ctrl_cost_weight")),
      healthy_reward_(args->Number("healthy_reward")),
      terminate_when_unhealthy_(args->Flag("terminate_when_unhealthy")),
      healthy_z_range_(args->Bounds("healthy_z_range")),
      healthy_angle_range_(args->Bounds("healthy_angle_range")),
      reset_noise_scale_(args->NoiseScale("reset_noise_scale")),
      skipped_(model.nq + model.nv - shape().obs_size) {}

void PlanarWalker::Reset(const mjModel& model, mjData* data, NumpyGenerator* random) const {
  AddUniformNoise(reset_noise_scale_, data->qpos, model.nq, random);
  AddUniformNoise(reset_noise_scale_, data->qvel, model.nv, random);
}

void PlanarWalker::Remember(const mjModel&, const mjData& data, double* memory) const {
  memory[0] = data.qpos[0];
}

Outcome PlanarWalker::Score(const mjModel& model, const mjData& data, const Action& action,
                            const double* memory, double* info) const {
  const double dt = model.opt.timestep * shape().frame_skip;
  const double x_velocity = (data.qpos[0] - memory[0]) / dt;
  const bool healthy = IsHealthy(model, data);
  const double forward_reward = forward_reward_weight_ * x_velocity;
  const double healthy_reward = (healthy ? 1.0 : 0.0) * healthy_reward_;
  const double ctrl_cost = action.Cost(ctrl_cost_weight_, model.nu);
  if (info != nullptr) {
    RowWriter(info).Add({data.qpos[0], data.qpos[1] - model.qpos0[1], x_velocity, forward_reward,
                         -ctrl_cost, healthy_reward});
  }
  return {forward_reward + healthy_reward - ctrl_cost, !healthy && terminate_when_unhealthy_};
}

void PlanarWalker::Observe(const mjModel& model, const mjData& data, double* obs) const {
  RowWriter row(obs);
  row.AddFrom(skipped_, data.qpos, model.nq);
  row.AddClipped(0, data.qvel, model.nv, -10.0, 10.0);
}

void PlanarWalker::ResetInfo(const mjModel& model, const mjData& data, double* info) const {
  RowWriter(info).Add({data.qpos[0], data.qpos[1] - model.qpos0[1]});
}

bool PlanarWalker::IsUpright(const mjData& data) const {
  return IsWithin(data.qpos[1], healthy_z_range_) && IsWithin(data.qpos[2], healthy_angle_range_);
}

}  // namespace td7
