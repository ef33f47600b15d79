// Humanoid-v5: run along x on two legs, with little control and soft contacts, at a healthy height.
#include <cstdint>

#include "rollout/numpy_math.h"
#include "rollout/tasks/humanoid_obs.h"
#include "rollout/tasks/info_fields.h"
#include "rollout/tasks/reset_noise.h"
#include "rollout/tasks/row_writer.h"
#include "rollout/tasks/task_entry.h"

namespace td7 {
namespace {

// The centre of mass along one axis, 0 for x; the masses are added as numpy adds them, their
// products in sequence as np.einsum does.
double MassCenter(const mjModel& model, const mjData& data, int axis) {
  double moment = 0.0;
  for (std::int64_t i = 0; i < model.nbody; ++i)
    moment += model.body_mass[i] * data.xipos[3 * i + axis];
  return moment / Sum(model.body_mass, model.nbody);
}

class Humanoid final : public Task {
 public:
  Humanoid(const mjModel& model, TaskArgReader* args)
      : Humanoid(model, args, HumanoidObs(model, args)) {}

  void Reset(const mjModel& model, mjData* data, NumpyGenerator* random) const override {
    AddUniformNoise(reset_noise_scale_, data->qpos, model.nq, random);
    AddUniformNoise(reset_noise_scale_, data->qvel, model.nv, random);
  }

  void Remember(const mjModel& model, const mjData& data, double* memory) const override {
    memory[0] = MassCenter(model, data, 0);
    memory[1] = MassCenter(model, data, 1);
  }

  Outcome Score(const mjModel& model, const mjData& data, const Action&, const double* memory,
                double* info) const override {
    const double dt = model.opt.timestep * shape().frame_skip;
    const double x_velocity = (MassCenter(model, data, 0) - memory[0]) / dt;
    const bool healthy = IsWithin(data.qpos[2], healthy_z_range_);
    const double forward_reward = forward_reward_weight_ * x_velocity;
    const double healthy_reward = (healthy ? 1.0 : 0.0) * healthy_reward_;
    const double ctrl_cost = ctrl_cost_weight_ * SumOfSquares(data.ctrl, model.nu);
    const double contact_cost =
        Clip(contact_cost_weight_ * SumOfSquares(data.cfrc_ext, 6 * model.nbody),
             contact_cost_range_.first, contact_cost_range_.second);
    if (info != nullptr) {
      RowWriter row(info);
      AddPosition(model, data, &row);
      const double y_velocity = (MassCenter(model, data, 1) - memory[1]) / dt;
      row.Add({x_velocity, y_velocity, healthy_reward, forward_reward, -ctrl_cost, -contact_cost});
    }
    const double reward = (forward_reward + healthy_reward) - (ctrl_cost + contact_cost);
    return {reward, !healthy && terminate_when_unhealthy_};
  }

  void Observe(const mjModel& model, const mjData& data, double* obs) const override {
    obs_.Write(model, data, obs);
  }

  void ResetInfo(const mjModel& model, const mjData& data, double* info) const override {
    RowWriter row(info);
    AddPosition(model, data, &row);
  }

 private:
  Humanoid(const mjModel& model, TaskArgReader* args, const HumanoidObs& obs)
      : Task(Shape(model, args, obs)),
        obs_(obs),
        forward_reward_weight_(args->Number("forward_reward_weight")),
        ctrl_cost_weight_(args->Number("ctrl_cost_weight")),
        contact_cost_weight_(args->Number("contact_cost_weight")),
        contact_cost_range_(args->Bounds("contact_cost_range")),
        healthy_reward_(args->Number("healthy_reward")),
        terminate_when_unhealthy_(args->Flag("terminate_when_unhealthy")),
        healthy_z_range_(args->Bounds("healthy_z_range")),
        reset_noise_scale_(args->NoiseScale("reset_noise_scale")) {}

  static TaskShape Shape(const mjModel& model, TaskArgReader* args, const HumanoidObs& obs) {
    TaskShape shape;
    shape.obs_size = obs.size();
    shape.frame_skip = args->FrameSkip();
    shape.memory_size = 2;
    shape.reads_contact_forces = true;
    shape.info = {AtReset("x_position"),
                  AtReset("y_position"),
                  AtReset("tendon_length", model.ntendon),
                  AtReset("tendon_velocity", model.ntendon),
                  AtReset("distance_from_origin"),
                  InStep("x_velocity"),
                  InStep("y_velocity"),
                  HealthyReward(args),
                  InStep("reward_forward"),
                  InStep("reward_ctrl"),
                  InStep("reward_contact")};
    return shape;
  }

  static void AddPosition(const mjModel& model, const mjData& data, RowWriter* row) {
    row->Add({data.qpos[0], data.qpos[1]});
    row->AddFrom(0, data.ten_length, model.ntendon);
    row->AddFrom(0, data.ten_velocity, model.ntendon);
    row->Add({Norm(data.qpos, 2)});
  }

  HumanoidObs obs_;
  double forward_reward_weight_;
  double ctrl_cost_weight_;
  double contact_cost_weight_;
  Range contact_cost_range_;
  double healthy_reward_;
  bool terminate_when_unhealthy_;
  Range healthy_z_range_;
  double reset_noise_scale_;
};

}  // namespace

TaskEntry HumanoidTask() {
  return {"Humanoid-v5",
          &MakeOf<Humanoid>,
          {"humanoid.xml",
           1000,
           {{"frame_skip", std::int64_t{5}},
            {"forward_reward_weight", 1.25},
            {"ctrl_cost_weight", 0.1},
            {"contact_cost_weight", 5e-07},
            {"contact_cost_range", Range{-kInfinity, 10.0}},
            {"healthy_reward", 5.0},
            {"terminate_when_unhealthy", true},
            {"healthy_z_range", Range{1.0, 2.0}},
            {"reset_noise_scale", 0.01},
            {"exclude_current_positions_from_observation", true},
            {"include_cinert_in_observation", true},
            {"include_cvel_in_observation", true},
            {"include_qfrc_actuator_in_observation", true},
            {"include_cfrc_ext_in_observation", true}}}};
}

}  // namespace td7
