// The entry of one task in the registry. A new task is one file, which defines the function
// `TaskEntry <Name>Task()`, and one line in registry.cc, <Name>.
#ifndef TD7_ROLLOUT_TASKS_TASK_ENTRY_H_
#define TD7_ROLLOUT_TASKS_TASK_ENTRY_H_

#include <mujoco/mujoco.h>

#include <limits>
#include <memory>
#include <string>

#include "rollout/task.h"
#include "rollout/task_args.h"
#include "rollout/tasks/defaults.h"

namespace td7 {

// An end of a range without a limit on that side.
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct TaskEntry {
  std::string id;  // Gymnasium's

  // Checks that the model has what the task needs, and reads the task's arguments. Throws
  // std::invalid_argument.
  std::unique_ptr<Task> (*make)(const mjModel& model, TaskArgReader* args);

  TaskDefaults defaults;
};

// Make a task by its class's constructor (model, args); for TaskEntry::make.
template <class OneTask>
std::unique_ptr<Task> MakeOf(const mjModel& model, TaskArgReader* args) {
  return std::make_unique<OneTask>(model, args);
}

}  // namespace td7

#endif  // TD7_ROLLOUT_TASKS_TASK_ENTRY_H_
