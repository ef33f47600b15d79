// HumanoidStandup-v5: get up from the ground, with little control and soft contacts. Never ends by
// itself.
#include <cstdint>

#include "rollout/numpy_math.h"
#include "rollout/tasks/humanoid_obs.h"
#include "rollout/tasks/info_fields.h"
#include "rollout/tasks/reset_noise.h"
#include "rollout/tasks/row_writer.h"
#include "rollout/tasks/task_entry.h"

namespace td7 {
namespace {

class HumanoidStandup final : public Task {
 public:
  HumanoidStandup(const mjModel& model, TaskArgReader* args)
      : HumanoidStandup(model, args, HumanoidObs(model, args)) {}

  void Reset(const mjModel& model, mjData* data, NumpyGenerator* random) const override {
    AddUniformNoise(reset_noise_scale_, data->qpos, model.nq, random);
    AddUniformNoise(reset_noise_scale_, data->qvel, model.nv, random);
  }

  Outcome Score(const mjModel& model, const mjData& data, const Action&, const double*,
                double* info) const override {
    // one substep's time, not the step's
    const double rise = data.qpos[2] / model.opt.timestep;
    const double ctrl_cost = ctrl_cost_weight_ * SumOfSquares(data.ctrl, model.nu);
    const double impact_cost =
        Clip(impact_cost_weight_ * SumOfSquares(data.cfrc_ext, 6 * model.nbody),
             impact_cost_range_.first, impact_cost_range_.second);
    if (info != nullptr) {
      RowWriter row(info);
      AddPosition(model, data, &row);
      row.Add({rise, -ctrl_cost, -impact_cost});
    }
    return {rise - ctrl_cost - impact_cost + 1.0, false};
  }

  void Observe(const mjModel& model, const mjData& data, double* obs) const override {
    obs_.Write(model, data, obs);
  }

  void ResetInfo(const mjModel& model, const mjData& data, double* info) const override {
    RowWriter row(info);
    AddPosition(model, data, &row);
  }

 private:
  HumanoidStandup(const mjModel& model, TaskArgReader* args, const HumanoidObs& obs)
      : Task(Shape(model, args, obs)),
        obs_(obs),
        ctrl_cost_weight_(args->Number("ctrl_cost_weight")),
        impact_cost_weight_(args->Number("impact_cost_weight")),
        impact_cost_range_(args->Bounds("impact_cost_range")),
        reset_noise_scale_(args->NoiseScale("reset_noise_scale")) {}

  static TaskShape Shape(const mjModel& model, TaskArgReader* args, const HumanoidObs& obs) {
    args->Number("uph_cost_weight");  // Gymnasium takes it and does not use it
    TaskShape shape;
    shape.obs_size = obs.size();
    shape.frame_skip = args->FrameSkip();
    shape.reads_contact_forces = true;
    shape.info = {AtReset("x_position"),
                  AtReset("y_position"),
                  AtReset("z_distance_from_origin"),
                  AtReset("tendon_length", model.ntendon),
                  AtReset("tendon_velocity", model.ntendon),
                  InStep("reward_linup"),
                  InStep("reward_quadctrl"),
                  InStep("reward_impact")};
    return shape;
  }

  static void AddPosition(const mjModel& model, const mjData& data, RowWriter* row) {
    row->Add({data.qpos[0], data.qpos[1], data.qpos[2] - model.qpos0[2]});
    row->AddFrom(0, data.ten_length, model.ntendon);
    row->AddFrom(0, data.ten_velocity, model.ntendon);
  }

  HumanoidObs obs_;
  double ctrl_cost_weight_;
  double impact_cost_weight_;
  Range impact_cost_range_;
  double reset_noise_scale_;
};

}  // namespace

TaskEntry HumanoidStandupTask() {
  return {"HumanoidStandup-v5",
          &MakeOf<HumanoidStandup>,
          {"humanoidstandup.xml",
           1000,
           {{"frame_skip", std::int64_t{5}},
            {"uph_cost_weight", std::int64_t{1}},
            {"ctrl_cost_weight", 0.1},
            {"impact_cost_weight", 5e-07},
            {"impact_cost_range", Range{-kInfinity, 10.0}},
            {"reset_noise_scale", 0.01},
            {"exclude_current_positions_from_observation", true},
            {"include_cinert_in_observation", true},
            {"include_cvel_in_observation", true},
            {"include_qfrc_actuator_in_observation", true},
            {"include_cfrc_ext_in_observation", true}}}};
}

}  // namespace td7
