// Pusher-v5: an arm is to push an object to a goal. Never ends by itself.
#include <algorithm>
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

constexpr int kJoints = 7;

class Pusher final : public Task {
 public:
  Pusher(const mjModel& model, TaskArgReader* args)
      : Task(Shape(model, args)),
        reward_near_weight_(args->Number("reward_near_weight")),
        reward_dist_weight_(args->Number("reward_dist_weight")),
        reward_control_weight_(args->Number("reward_control_weight")),
        tips_arm_(NeedBody(args->task_id(), model, "tips_arm")),
        object_(NeedBody(args->task_id(), model, "object")),
        goal_(NeedBody(args->task_id(), model, "goal")) {}

  // the last four of qpos: the object's place, not too near the goal's, and the goal's, 0
  void Reset(const mjModel& model, mjData* data, NumpyGenerator* random) const override {
    double object[2];
    do {
      object[0] = random->Uniform(-0.3, 0.0);
      object[1] = random->Uniform(-0.2, 0.2);
    } while (!(Norm(object, 2) > 0.17));
    double* const places = data->qpos + model.nq - 4;
    std::copy(object, object + 2, places);
    std::fill(places + 2, places + 4, 0.0);
    AddUniformNoise(0.005, data->qvel, model.nv, random);
    std::fill(data->qvel + model.nv - 4, data->qvel + model.nv, 0.0);
  }

  Outcome Score(const mjModel& model, const mjData& data, const Action& action, const double*,
                double* info) const override {
    const double near = Norm(Between(data, tips_arm_, object_).data(), 3);
    const double distance = Norm(Between(data, goal_, object_).data(), 3);
    const double reward_near = -near * reward_near_weight_;
    const double reward_dist = -distance * reward_dist_weight_;
    const double reward_ctrl = -action.Cost(reward_control_weight_, model.nu);
    if (info != nullptr) RowWriter(info).Add({reward_dist, reward_ctrl, reward_near});
    return {reward_dist + reward_ctrl + reward_near, false};
  }

  void Observe(const mjModel&, const mjData& data, double* obs) const override {
    RowWriter row(obs);
    row.AddFrom(0, data.qpos, kJoints);
    row.AddFrom(0, data.qvel, kJoints);
    for (const int body : {tips_arm_, object_, goal_}) row.AddFrom(0, data.xpos + 3 * body, 3);
  }

 private:
  static TaskShape Shape(const mjModel& model, TaskArgReader* args) {
    NeedAtLeast(args->task_id(), kJoints, kPositions, model.nq);
    NeedAtLeast(args->task_id(), kJoints, kVelocities, model.nv);
    TaskShape shape;
    shape.obs_size = 2 * kJoints + 9;
    shape.frame_skip = args->FrameSkip();
    shape.info = {InStep("reward_dist"), InStep("reward_ctrl", InfoType::kAction),
                  InStep("reward_near")};
    return shape;
  }

  double reward_near_weight_;
  double reward_dist_weight_;
  double reward_control_weight_;
  int tips_arm_;
  int object_;
  int goal_;
};

}  // namespace

TaskEntry PusherTask() {
  return {"Pusher-v5",
          &MakeOf<Pusher>,
          {"pusher_v5.xml",
           100,
           {{"frame_skip", std::int64_t{5}},
            {"reward_near_weight", 0.5},
            {"reward_dist_weight", std::int64_t{1}},
            {"reward_control_weight", 0.1}}}};
}

}  // namespace td7
