// Short ways to declare the fields of an info row.
#ifndef TD7_ROLLOUT_TASKS_INFO_FIELDS_H_
#define TD7_ROLLOUT_TASKS_INFO_FIELDS_H_

#include <cstdint>
#include <string>
#include <utility>

#include "rollout/task.h"
#include "rollout/task_args.h"

namespace td7 {

// A field of the info of a reset and of a step.
inline InfoField AtReset(std::string name, std::int64_t array_size = InfoField::kScalar) {
  return {std::move(name), InfoType::kFloat64, array_size, true};
}

// A field of a step's info alone.
inline InfoField InStep(std::string name, InfoType type = InfoType::kFloat64) {
  return {std::move(name), type, InfoField::kScalar, false};
}

// The healthy reward in an info: an integer where the argument was one, as True * 1 is in Python.
inline InfoField HealthyReward(TaskArgReader* args) {
  const bool integer = args->IsInteger("healthy_reward");
  return InStep("reward_survive", integer ? InfoType::kInt64 : InfoType::kFloat64);
}

}  // namespace td7

#endif  // TD7_ROLLOUT_TASKS_INFO_FIELDS_H_
