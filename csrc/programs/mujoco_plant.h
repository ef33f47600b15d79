// A task of the rollout engine as the plant: MuJoCo's model, with Gymnasium's defaults.
//
// Each action is one step of the task, whatever the loop's rate. The next observation is then there
// at once, and never old. When an episode ends the next one begins. The first episode is the one
// that Gymnasium gives for reset(seed=0), the others follow it; and so are the numbers.
//
// Threads: one at a time. Errors: the constructor throws std::invalid_argument for an unknown task
// or a model that does not compile, std::runtime_error with MuJoCo's text.
#ifndef TD7_PROGRAMS_MUJOCO_PLANT_H_
#define TD7_PROGRAMS_MUJOCO_PLANT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "controller/plant.h"
#include "rollout/guard.h"
#include "rollout/model.h"
#include "rollout/simulation.h"
#include "rollout/task.h"

namespace td7 {

class MujocoPlant : public Plant {
 public:
  static constexpr std::size_t kMostReturns = 10000;  // kept; all episodes are counted

  // `model_file` is the task's MJCF file.
  MujocoPlant(const std::string& task_id, const std::string& model_file);

  int obs_size() const { return static_cast<int>(task_->shape().obs_size); }
  int action_size() const { return static_cast<int>(model_->nu); }

  // Gymnasium's bounds of an entry of the action: what its actuator takes.
  std::pair<float, float> Bounds(int entry) const;

  bool Observe(float* obs, std::int64_t* age_ns) noexcept override;
  bool Apply(const float* action) noexcept override;
  bool Finish(const float* action) noexcept override;  // ends no episode

  std::int64_t episodes() const { return episodes_; }           // ended
  const std::vector<double>& returns() const { return kept_; }  // of the first of them
  const std::string& error() const { return simulation_->error(); }

 private:
  LogHandler handler_;
  Model model_;
  std::unique_ptr<Task> task_;
  std::unique_ptr<Simulation> simulation_;
  std::int64_t episodes_ = 0;
  double return_ = 0.0;  // of the episode under way
  std::vector<double> kept_;
};

}  // namespace td7

#endif  // TD7_PROGRAMS_MUJOCO_PLANT_H_
