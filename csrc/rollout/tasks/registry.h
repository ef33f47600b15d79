// The tasks that td7 has in C++, by their Gymnasium ids.
#ifndef TD7_ROLLOUT_TASKS_REGISTRY_H_
#define TD7_ROLLOUT_TASKS_REGISTRY_H_

#include <mujoco/mujoco.h>

#include <memory>
#include <string>
#include <vector>

#include "rollout/task.h"
#include "rollout/task_args.h"

namespace td7 {

// Sorted.
std::vector<std::string> TaskIds();

// args: every argument of the Gymnasium class's constructor with a bearing on numbers, that is
// without xml_file, default_camera_config and what is passed on to MujocoEnv. The task is for
// `model` alone, which need not outlive it.
//
// Throws std::invalid_argument for an unknown id; a missing, an unknown or a bad argument; a model
// without what the task needs.
std::unique_ptr<Task> MakeTask(const std::string& id, const mjModel& model, const TaskArgs& args);

}  // namespace td7

#endif  // TD7_ROLLOUT_TASKS_REGISTRY_H_
