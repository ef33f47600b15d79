#include "programs/mujoco_plant.h"

#include <limits>
#include <stdexcept>

#include "rollout/tasks/defaults.h"
#include "rollout/tasks/registry.h"

namespace td7 {
namespace {

// numpy's PCG64 seeded with 0
constexpr Pcg64State kSeed0{
    0x1aa1b5345996452d, 0x09585eb7a69561e3, 0x418ddadb3af71a82, 0x588133bc447873a9, 0, 0};

}  // namespace

MujocoPlant::MujocoPlant(const std::string& task_id, const std::string& model_file) {
  const TaskDefaults defaults = DefaultsOf(task_id);
  model_ = LoadModel(model_file);
  task_ = MakeTask(task_id, *model_, defaults.args);
  simulation_ = std::make_unique<Simulation>(*model_, *task_, defaults.max_episode_steps);
  simulation_->Seed(kSeed0);
  kept_.reserve(kMostReturns);
  if (!simulation_->Reset()) throw std::runtime_error(simulation_->error());
}

std::pair<float, float> MujocoPlant::Bounds(int entry) const {
  constexpr float kAny = std::numeric_limits<float>::infinity();
  if (model_->actuator_ctrllimited[entry] == 0) return {-kAny, kAny};
  const mjtNum* const range = model_->actuator_ctrlrange + std::ptrdiff_t{2} * entry;
  return {static_cast<float>(range[0]), static_cast<float>(range[1])};
}

bool MujocoPlant::Observe(float* obs, std::int64_t* age_ns) noexcept {
  for (const double number : simulation_->obs()) *obs++ = static_cast<float>(number);
  *age_ns = 0;
  return true;
}

bool MujocoPlant::Apply(const float* action) noexcept {
  if (!simulation_->Step(action)) return false;
  return_ += simulation_->reward();
  if (simulation_->running()) return true;
  if (kept_.size() < kMostReturns) kept_.push_back(return_);
  ++episodes_;
  return_ = 0.0;
  return simulation_->Reset();
}

bool MujocoPlant::Finish(const float* action) noexcept { return simulation_->Step(action); }

}  // namespace td7
