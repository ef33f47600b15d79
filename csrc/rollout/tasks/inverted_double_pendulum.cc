// InvertedDoublePendulum-v5: keep two poles on a cart upright; their tip is the first site.
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

class InvertedDoublePendulum final : public Task {
 public:
  InvertedDoublePendulum(const mjModel& model, TaskArgReader* args)
      : Task(Shape(model, args)),
        healthy_reward_(args->Number("healthy_reward")),
        reset_noise_scale_(args->NoiseScale("reset_noise_scale")) {}

  void Reset(const mjModel& model, mjData* data, NumpyGenerator* random) const override {
    AddUniformNoise(reset_noise_scale_, data->qpos, model.nq, random);
    AddNormalNoise(reset_noise_scale_, data->qvel, model.nv, random);
  }

  Outcome Score(const mjModel&, const mjData& data, const Action&, const double*,
                double* info) const override {
    const double x = data.site_xpos[0];
    const double height = data.site_xpos[2];
    const bool terminated = height <= 1.0;
    const double distance_penalty = 0.01 * SecondPower(x) + SecondPower(height - 2.0);
    const double velocity_penalty =
        1e-3 * SecondPower(data.qvel[1]) + 5e-3 * SecondPower(data.qvel[2]);
    const double alive_bonus = healthy_reward_ * (terminated ? 0.0 : 1.0);
    if (info != nullptr) {
      RowWriter(info).Add({alive_bonus, -distance_penalty, -velocity_penalty});
    }
    return {alive_bonus - distance_penalty - velocity_penalty, terminated};
  }

  void Observe(const mjModel& model, const mjData& data, double* obs) const override {
    const double* q = data.qpos;
    RowWriter row(obs);
    row.Add({q[0], std::sin(q[1]), std::sin(q[2]), std::cos(q[1]), std::cos(q[2])});
    row.AddClipped(0, data.qvel, model.nv, -10.0, 10.0);
    row.AddClipped(0, data.qfrc_constraint, 1, -10.0, 10.0);
  }

 private:
  static TaskShape Shape(const mjModel& model, TaskArgReader* args) {
    NeedExactly(args->task_id(), 3, kPositions, model.nq);
    NeedExactly(args->task_id(), 3, kVelocities, model.nv);
    NeedAtLeast(args->task_id(), 1, "site", model.nsite);
    TaskShape shape;
    shape.obs_size = 9;
    shape.frame_skip = args->FrameSkip();
    shape.info = {HealthyReward(args), InStep("distance_penalty"), InStep("velocity_penalty")};
    return shape;
  }

  double healthy_reward_;
  double reset_noise_scale_;
};

}  // namespace

TaskEntry InvertedDoublePendulumTask() {
  return {
      "InvertedDoublePendulum-v5",
      &MakeOf<InvertedDoublePendulum>,
      {"inverted_double_pendulum.xml",
       1000,
       {{"frame_skip", std::int64_t{5}}, {"healthy_reward", 10.0}, {"reset_noise_scale", 0.1}}}};
}

}  // namespace td7
