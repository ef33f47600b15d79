// HalfCheetah-v5: run forward in the plane, with little control. Never ends by itself.
#include <cstdint>

#include "rollout/numpy_math.h"
#include "rollout/tasks/info_fields.h"
#include "rollout/tasks/model_checks.h"
#include "rollout/tasks/reset_noise.h"
#include "rollout/tasks/row_writer.h"
#include "rollout/tasks/task_entry.h"

namespace td7 {
namespace {

class HalfCheetah final : public Task {
 public:
  HalfCheetah(const mjModel& model, TaskArgReader* args)
      : Task(Shape(model, args)),
        forward_reward_weight_(args->Number("forward_reward_weight")),
        ctrl_cost_weight_(args->Number("ctrl_cost_weight")),
        reset_noise_scale_(args->NoiseScale("reset_noise_scale")),
        skipped_(model.nq + model.nv - shape().obs_size) {}

  void Reset(const mjModel& model, mjData* data, NumpyGenerator* random) const override {
    AddUniformNoise(reset_noise_scale_, data->qpos, model.nq, random);
    AddNormalNoise(reset_noise_scale_, data->qvel, model.nv, random);
  }

  void Remember(const mjModel&, const mjData& data, double* memory) const override {
    memory[0] = data.qpos[0];
  }

  Outcome Score(const mjModel& model, const mjData& data, const Action& action,
                const double* memory, double* info) const override {
    const double dt = model.opt.timestep * shape().frame_skip;
    const double x_velocity = (data.qpos[0] - memory[0]) / dt;
    const double forward_reward = forward_reward_weight_ * x_velocity;
    const double ctrl_cost = action.Cost(ctrl_cost_weight_, model.nu);
    if (info != nullptr) {
      RowWriter(info).Add({data.qpos[0], x_velocity, forward_reward, -ctrl_cost});
    }
    return {forward_reward - ctrl_cost, false};
  }

  void Observe(const mjModel& model, const mjData& data, double* obs) const override {
    RowWriter row(obs);
    row.AddFrom(skipped_, data.qpos, model.nq);
    row.AddFrom(0, data.qvel, model.nv);
  }

  void ResetInfo(const mjModel&, const mjData& data, double* info) const override {
    RowWriter(info).Add({data.qpos[0]});
  }

 private:
  static TaskShape Shape(const mjModel& model, TaskArgReader* args) {
    NeedAtLeast(args->task_id(), 1, kPositions, model.nq);
    const std::int64_t skipped = args->Flag("exclude_current_positions_from_observation") ? 1 : 0;
    TaskShape shape;
    shape.obs_size = model.nq + model.nv - skipped;
    shape.frame_skip = args->FrameSkip();
    shape.memory_size = 1;
    shape.info = {AtReset("x_position"), InStep("x_velocity"), InStep("reward_forward"),
                  InStep("reward_ctrl", InfoType::kAction)};
    return shape;
  }

  double forward_reward_weight_;
  double ctrl_cost_weight_;
  double reset_noise_scale_;
  std::int64_t skipped_;  // leading positions that are not observed
};

}  // namespace

TaskEntry HalfCheetahTask() {
  return {"HalfCheetah-v5",
          &MakeOf<HalfCheetah>,
          {"half_cheetah.xml",
           1000,
           {{"frame_skip", std::int64_t{5}},
            {"forward_reward_weight", 1.0},
            {"ctrl_cost_weight", 0.1},
            {"reset_noise_scale", 0.1},
            {"exclude_current_positions_from_observation", true}}}};
}

}  // namespace td7
