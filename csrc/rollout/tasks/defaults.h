// What Gymnasium gives to its -v5 tasks when nothing else is asked for, so that a program without
// Python can make them. Each task's file states its own; DefaultsOf is in registry.cc.
#ifndef TD7_ROLLOUT_TASKS_DEFAULTS_H_
#define TD7_ROLLOUT_TASKS_DEFAULTS_H_

#include <cstdint>
#include <string>

#include "rollout/task_args.h"

namespace td7 {

struct TaskDefaults {
  std::string model_file;  // its name, without the folder
  std::int64_t max_episode_steps;
  TaskArgs args;
};

// Of an id of registry.h's TaskIds(). Throws std::invalid_argument for another.
TaskDefaults DefaultsOf(const std::string& id);

}  // namespace td7

#endif  // TD7_ROLLOUT_TASKS_DEFAULTS_H_
