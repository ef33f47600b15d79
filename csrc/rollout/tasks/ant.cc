// Ant-v5: run along x on four legs, with little control and soft contacts, at a healthy height.
#include <cmath>
#include <cstdint>

#include "rollout/numpy_math.h"
#include "rollout/tasks/info_fields.h"
#include "rollout/tasks/model_checks.h"
#include "rollout/tasks/reset_noise.h"
#include "rollout/tasks/row_writer.h"
#include "rollout/tasks/task_entry.h"

namespace td7 {
namespace {

bool AllFinite(const double* x, std::int64_t n) {
  bool finite = true;
  for (std::int64_t i = 0; i < n; ++i) finite &= std::isfinite(x[i]);
  return finite;
}

class Ant final : public Task {
 public:
  Ant(const mjModel& model, TaskArgReader* args)
      : Task(Shape(model, args)),
        forward_reward_weight_(args->Number("forward_reward_weight")),
        ctrl_cost_weight_(args->Number("ctrl_cost_weight")),
        contact_cost_weight_(args->Number("contact_cost_weight")),
        healthy_reward_(args->Number("healthy_reward")),
        main_body_(args->Body("main_body", model)),
        terminate_when_unhealthy_(args->Flag("terminate_when_unhealthy")),
        healthy_z_range_(args->Bounds("healthy_z_range")),
        contact_force_range_(args->Bounds("contact_force_range")),
        reset_noise_scale_(args->NoiseScale("reset_noise_scale")),
        skipped_(Skipped(args)),
        observes_contact_forces_(args->Flag("include_cfrc_ext_in_observation")) {}

  void Reset(const mjModel& model, mjData* data, NumpyGenerator* random) const override {
    AddUniformNoise(reset_noise_scale_, data->qpos, model.nq, random);
    AddNormalNoise(reset_noise_scale_, data->qvel, model.nv, random);
  }

  // xpos is that of the last substep's beginning; so is Gymnasium's
  void Remember(const mjModel&, const mjData& data, double* memory) const override {
    memory[0] = data.xpos[3 * main_body_];
    memory[1] = data.xpos[3 * main_body_ + 1];
  }

  Outcome Score(const mjModel& model, const mjData& data, const Action& action,
                const double* memory, double* info) const override {
    const double dt = model.opt.timestep * shape().frame_skip;
    const double x_velocity = (data.xpos[3 * main_body_] - memory[0]) / dt;
    const bool healthy = IsHealthy(model, data);
    const double forward_reward = x_velocity * forward_reward_weight_;
    const double healthy_reward = (healthy ? 1.0 : 0.0) * healthy_reward_;
    const double ctrl_cost = action.Cost(ctrl_cost_weight_, model.nu);
    const double contact_cost =
        contact_cost_weight_ * SumOfClippedSquares(data.cfrc_ext, 6 * model.nbody,
                                                   contact_force_range_.first,
                                                   contact_force_range_.second);
    if (info != nullptr) {
      const double y_velocity = (data.xpos[3 * main_body_ + 1] - memory[1]) / dt;
      RowWriter(info).Add({data.qpos[0], data.qpos[1], Norm(data.qpos, 2), x_velocity, y_velocity,
                           forward_reward, -ctrl_cost, -contact_cost, healthy_reward});
    }
    const double reward = (forward_reward + healthy_reward) - (ctrl_cost + contact_cost);
    return {reward, !healthy && terminate_when_unhealthy_};
  }

  void Observe(const mjModel& model, const mjData& data, double* obs) const override {
    RowWriter row(obs);
    row.AddFrom(skipped_, data.qpos, model.nq);
    row.AddFrom(0, data.qvel, model.nv);
    if (!observes_contact_forces_) return;
    row.AddClipped(6, data.cfrc_ext, 6 * model.nbody, contact_force_range_.first,
                   contact_force_range_.second);
  }

  void ResetInfo(const mjModel&, const mjData& data, double* info) const override {
    RowWriter(info).Add({data.qpos[0], data.qpos[1], Norm(data.qpos, 2)});
  }

 private:
  static std::int64_t Skipped(TaskArgReader* args) {
    return args->Flag("exclude_current_positions_from_observation") ? 2 : 0;
  }

  static TaskShape Shape(const mjModel& model, TaskArgReader* args) {
    NeedAtLeast(args->task_id(), 3, kPositions, model.nq);
    TaskShape shape;
    shape.obs_size = model.nq + model.nv - Skipped(args);
    if (args->Flag("include_cfrc_ext_in_observation")) shape.obs_size += 6 * (model.nbody - 1);
    shape.frame_skip = args->FrameSkip();
    shape.memory_size = 2;
    shape.reads_contact_forces = true;
    shape.info = {AtReset("x_position"),
                  AtReset("y_position"),
                  AtReset("distance_from_origin"),
                  InStep("x_velocity"),
                  InStep("y_velocity"),
                  InStep("reward_forward"),
                  InStep("reward_ctrl", InfoType::kAction),
                  InStep("reward_contact"),
                  HealthyReward(args)};
    return shape;
  }

  bool IsHealthy(const mjModel& model, const mjData& data) const {
    const double z = data.qpos[2];
    return AllFinite(data.qpos, model.nq) && AllFinite(data.qvel, model.nv) &&
           healthy_z_range_.first <= z && z <= healthy_z_range_.second;
  }

  double forward_reward_weight_;
  double ctrl_cost_weight_;
  double contact_cost_weight_;
  double healthy_reward_;
  int main_body_;
  bool terminate_when_unhealthy_;
  Range healthy_z_range_;
  Range contact_force_range_;
  double reset_noise_scale_;
  std::int64_t skipped_;  // leading positions that are not observed
  bool observes_contact_forces_;
};

}  // namespace

TaskEntry AntTask() {
  return {"Ant-v5",
          &MakeOf<Ant>,
          {"ant.xml",
           1000,
           {{"frame_skip", std::int64_t{5}},
            {"forward_reward_weight", std::int64_t{1}},
            {"ctrl_cost_weight", 0.5},
            {"contact_cost_weight", 0.0005},
            {"healthy_reward", 1.0},
            {"main_body", std::int64_t{1}},
            {"terminate_when_unhealthy", true},
            {"healthy_z_range", Range{0.2, 1.0}},
            {"contact_force_range", Range{-1.0, 1.0}},
            {"reset_noise_scale", 0.1},
            {"exclude_current_positions_from_observation", true},
            {"include_cfrc_ext_in_observation", true}}}};
}

}  // namespace td7
