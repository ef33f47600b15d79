// A task: what an environment adds to MuJoCo's physics. One object serves every simulation of it.
//
//   reset   mj_resetData; Reset draws qpos and qvel; mj_forward; Observe, ResetInfo
//   step    Remember; ctrl = action; mj_step x frame_skip; Score, Observe
//
// The engine makes the calls in that order, and mj_rnePostConstraint after the steps where
// `reads_contact_forces` says that the task reads cfrc_ext. Numbers are those of Gymnasium's -v5
// environments to the bit: no fused multiply-add, sums in numpy's order, norms by numpy's own
// routine (numpy_math.h), and what Gymnasium computes in float32 is computed in float32, which
// depends on the action (action.h).
//
// Threads: const methods may run at the same time on different simulations. Errors: constructors
// throw std::invalid_argument, the methods nothing. Ownership: arguments are used during the call.
#ifndef TD7_ROLLOUT_TASK_H_
#define TD7_ROLLOUT_TASK_H_

#include <mujoco/mujoco.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "rollout/action.h"
#include "rollout/numpy_generator.h"

namespace td7 {

// The type that Gymnasium gives to an info value.
// kAction: of the action's precision.
enum class InfoType { kFloat64, kAction, kInt64 };

// One entry of an info dict: a scalar, or an array (which may be empty).
struct InfoField {
  static constexpr std::int64_t kScalar = -1;

  std::string name;
  InfoType type = InfoType::kFloat64;
  std::int64_t array_size = kScalar;
  bool at_reset = false;  // whether reset's info has it too; such fields come first

  // How many numbers of an info row it takes.
  std::int64_t width() const { return array_size == kScalar ? 1 : array_size; }
};

struct TaskShape {
  std::int64_t obs_size = 0;
  int frame_skip = 1;
  std::int64_t memory_size = 0;       // numbers that Remember keeps for Score
  bool reads_contact_forces = false;  // mj_rnePostConstraint is wanted
  std::vector<InfoField> info;        // in Gymnasium's order

  // Numbers in an info row.
  std::int64_t info_size() const {
    std::int64_t total = 0;
    for (const InfoField& field : info) total += field.width();
    return total;
  }
};

struct Outcome {
  double reward = 0.0;
  bool terminated = false;
};

class Task {
 public:
  virtual ~Task() = default;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  const TaskShape& shape() const { return shape_; }

  // Draws data->qpos and data->qvel; data is fresh from mj_resetData.
  virtual void Reset(const mjModel& model, mjData* data, NumpyGenerator* random) const = 0;

  // Keeps in memory [memory_size] what Score wants to know of the state before the step.
  virtual void Remember(const mjModel&, const mjData&, double* /*memory*/) const {}

  // The reward of the step that `action` [nu] made, and whether the episode ends with it. info
  // [info_size] is filled unless null.
  virtual Outcome Score(const mjModel& model, const mjData& data, const Action& action,
                        const double* memory, double* info) const = 0;

  // obs [obs_size]
  virtual void Observe(const mjModel& model, const mjData& data, double* obs) const = 0;

  // Fills of info [info_size] the fields that are there at a reset.
  virtual void ResetInfo(const mjModel&, const mjData&, double* /*info*/) const {}

 protected:
  explicit Task(TaskShape shape) : shape_(std::move(shape)) {}

 private:
  TaskShape shape_;
};

}  // namespace td7

#endif  // TD7_ROLLOUT_TASK_H_
