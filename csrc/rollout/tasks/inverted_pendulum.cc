// InvertedPendulum-v5: keep a pole on a cart upright; the reward is 1 a step.
#include <cmath>
#include <cstdint>

#include "rollout/tasks/info_fields.h"
#include "rollout/tasks/model_checks.h"
#include "rollout/tasks/reset_noise.h"
#include "rollout/tasks/row_writer.h"
#include "rollout/tasks/task_entry.h"

namespace td7 {
namespace {

class InvertedPendulum final : public Task {
 public:
  InvertedPendulum(const mjModel& model, TaskArgReader* args)
      : Task(Shape(model, args)), reset_noise_scale_(args->NoiseScale("reset_noise_scale")) {}

  void Reset(const mjModel& model, mjData* data, NumpyGenerator* random) const override {
    AddUniformNoise(reset_noise_scale_, data->qpos, model.nq, random);
    AddUniformNoise(reset_noise_scale_, data->qvel, model.nv, random);
  }

  Outcome Score(const mjModel&, const mjData& data, const Action&, const double*,
                double* info) const override {
    const double* q = data.qpos;
    const double* v = data.qvel;
    const bool finite =
        std::isfinite(q[0]) && std::isfinite(q[1]) && std::isfinite(v[0]) && std::isfinite(v[1]);
    const bool terminated = !finite || std::abs(q[1]) > 0.2;
    const double reward = terminated ? 0.0 : 1.0;
    if (info != nullptr) RowWriter(info).Add({reward});
    return {reward, terminated};
  }

  void Observe(const mjModel& model, const mjData& data, double* obs) const override {
    RowWriter row(obs);
    row.AddFrom(0, data.qpos, model.nq);
    row.AddFrom(0, data.qvel, model.nv);
  }

 private:
  static TaskShape Shape(const mjModel& model, TaskArgReader* args) {
    NeedExactly(args->task_id(), 2, kPositions, model.nq);
    NeedExactly(args->task_id(), 2, kVelocities, model.nv);
    TaskShape shape;
    shape.obs_size = 4;
    shape.frame_skip = args->FrameSkip();
    shape.info = {InStep("reward_survive", InfoType::kInt64)};
    return shape;
  }

  double reset_noise_scale_;
};

}  // namespace

TaskEntry InvertedPendulumTask() {
  return {"InvertedPendulum-v5",
          &MakeOf<InvertedPendulum>,
          {"inverted_pendulum.xml",
           1000,
           {{"frame_skip", std::int64_t{2}}, {"reset_noise_scale", 0.01}}}};
}

}  // namespace td7
