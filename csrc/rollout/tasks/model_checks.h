// What a task needs of a model, which may be the user's own: asked for when the task is made, so
// that nothing is read out of bounds later. All throw std::invalid_argument:
//   Hopper-v5 needs a model with at least 3 position coordinates, got 1
#ifndef TD7_ROLLOUT_TASKS_MODEL_CHECKS_H_
#define TD7_ROLLOUT_TASKS_MODEL_CHECKS_H_

#include <mujoco/mujoco.h>

#include <cstdint>
#include <stdexcept>
#include <string>

namespace td7 {

inline void NeedAtLeast(const std::string& task_id, std::int64_t wanted, const char* what,
                        std::int64_t given) {
  if (given >= wanted) return;
  throw std::invalid_argument(task_id + " needs a model with at least " + std::to_string(wanted) +
                              " " + what + ", got " + std::to_string(given));
}

inline void NeedExactly(const std::string& task_id, std::int64_t wanted, const char* what,
                        std::int64_t given) {
  if (given == wanted) return;
  throw std::invalid_argument(task_id + " needs a model with " + std::to_string(wanted) + " " +
                              what + ", got " + std::to_string(given));
}

// The id of the body of that name.
inline int NeedBody(const std::string& task_id, const mjModel& model, const char* name) {
  const int id = mj_name2id(&model, mjOBJ_BODY, name);
  if (id >= 0) return id;
  throw std::invalid_argument(task_id + " needs a model with a body named \"" + name + "\"");
}

inline constexpr char kPositions[] = "position coordinates";
inline constexpr char kVelocities[] = "velocity coordinates";

}  // namespace td7

#endif  // TD7_ROLLOUT_TASKS_MODEL_CHECKS_H_
