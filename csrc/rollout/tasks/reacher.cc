// Reacher-v5: a fingertip on two links is to meet a target in the plane. Never ends by itself.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "rollout/numpy_math.h"
#include "rollout/tasks/body_distance.h"
#include "rollout/tasks/info_fields.h"
#include "rollout/tasks/model_checks.h"
#include "rollout/tasks/reset_noise.h"
#include "rollout/tasks/row_writer.h"
#include "rollout/tasks/task_entry.h"

namespace td7 {
namespace {

class Reacher final : public Task {
 public:
  Reacher(const mjModel& model, TaskArgReader* args)
      : Task(Shape(model, args)),
        reward_dist_weight_(args->Number("reward_dist_weight")),
        reward_control_weight_(args->Number("reward_control_weight")),
        fingertip_(NeedBody(args->task_id(), model, "fingertip")),
        target_(NeedBody(args->task_id(), model, "target")) {}

  // qpos: two joint angles, then the target's place, anywhere in a disc
  void Reset(const mjModel& model, mjData* data, NumpyGenerator* random) const override {
    AddUniformNoise(0.1, data->qpos, model.nq, random);
    double goal[2];
    do {
      for (double& x : goal) x = random->Uniform(-0.2, 0.2);
    } while (!(Norm(goal, 2) < 0.2));
    std::copy(goal, goal + 2, data->qpos + 2);
    AddUniformNoise(0.005, data->qvel, model.nv, random);
    std::fill(data->qvel + 2, data->qvel + 4, 0.0);
  }

  Outcome Score(const mjModel& model, const mjData& data, const Action& action, const double*,
                double* info) const override {
    const double distance = Norm(Between(data, target_, fingertip_).data(), 3);
    const double reward_dist = -distance * reward_dist_weight_;
    const double reward_ctrl = -action.Cost(reward_control_weight_, model.nu);
    if (info != nullptr) RowWriter(info).Add({reward_dist, reward_ctrl});
    return {reward_dist + reward_ctrl, false};
  }

  void Observe(const mjModel&, const mjData& data, double* obs) const override {
    const double* q = data.qpos;
    const auto to_fingertip = Between(data, target_, fingertip_);
    RowWriter(obs).Add({std::cos(q[0]), std::cos(q[1]), std::sin(q[0]), std::sin(q[1]), q[2], q[3],
                        data.qvel[0], data.qvel[1], to_fingertip[0], to_fingertip[1]});
  }

 private:
  static TaskShape Shape(const mjModel& model, TaskArgReader* args) {
    NeedExactly(args->task_id(), 4, kPositions, model.nq);
    NeedExactly(args->task_id(), 4, kVelocities, model.nv);
    TaskShape shape;
    shape.obs_size = 10;
    shape.frame_skip = args->FrameSkip();
    shape.info = {InStep("reward_dist"), InStep("reward_ctrl", InfoType::kAction)};
    return shape;
  }

  double reward_dist_weight_;
  double reward_control_weight_;
  int fingertip_;
  int target_;
};

}  // namespace

TaskEntry ReacherTask() {
  return {"Reacher-v5",
          &MakeOf<Reacher>,
          {"reacher.xml",
           50,
           {{"frame_skip", std::int64_t{2}},
            {"reward_dist_weight", std::int64_t{1}},
            {"reward_control_weight", std::int64_t{1}}}}};
}

}  // namespace td7
