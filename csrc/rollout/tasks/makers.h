// One maker a task, for the registry. Each checks that the model has what the task needs, and reads
// its arguments; all throw std::invalid_argument.
#ifndef TD7_ROLLOUT_TASKS_MAKERS_H_
#define TD7_ROLLOUT_TASKS_MAKERS_H_

#include <mujoco/mujoco.h>

#include <memory>

#include "rollout/task.h"
#include "rollout/task_args.h"

namespace td7 {

std::unique_ptr<Task> MakeAnt(const mjModel& model, TaskArgReader* args);
std::unique_ptr<Task> MakeHalfCheetah(const mjModel& model, TaskArgReader* args);
std::unique_ptr<Task> MakeHopper(const mjModel& model, TaskArgReader* args);
std::unique_ptr<Task> MakeHumanoid(const mjModel& model, TaskArgReader* args);
std::unique_ptr<Task> MakeHumanoidStandup(const mjModel& model, TaskArgReader* args);
std::unique_ptr<Task> MakeInvertedDoublePendulum(const mjModel& model, TaskArgReader* args);
std::unique_ptr<Task> MakeInvertedPendulum(const mjModel& model, TaskArgReader* args);
std::unique_ptr<Task> MakePusher(const mjModel& model, TaskArgReader* args);
std::unique_ptr<Task> MakeReacher(const mjModel& model, TaskArgReader* args);
std::unique_ptr<Task> MakeSwimmer(const mjModel& model, TaskArgReader* args);
std::unique_ptr<Task> MakeWalker2d(const mjModel& model, TaskArgReader* args);

}  // namespace td7

#endif  // TD7_ROLLOUT_TASKS_MAKERS_H_
