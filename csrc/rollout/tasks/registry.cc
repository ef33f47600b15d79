#include "rollout/tasks/registry.h"

#include <map>
#include <stdexcept>

#include "rollout/tasks/makers.h"

namespace td7 {
namespace {

using Maker = std::unique_ptr<Task> (*)(const mjModel&, TaskArgReader*);

const std::map<std::string, Maker>& Makers() {
  static const std::map<std::string, Maker> makers = {
      {"Ant-v5", &MakeAnt},
      {"HalfCheetah-v5", &MakeHalfCheetah},
      {"Hopper-v5", &MakeHopper},
      {"Humanoid-v5", &MakeHumanoid},
      {"HumanoidStandup-v5", &MakeHumanoidStandup},
      {"InvertedDoublePendulum-v5", &MakeInvertedDoublePendulum},
      {"InvertedPendulum-v5", &MakeInvertedPendulum},
      {"Pusher-v5", &MakePusher},
      {"Reacher-v5", &MakeReacher},
      {"Swimmer-v5", &MakeSwimmer},
      {"Walker2d-v5", &MakeWalker2d},
  };
  return makers;
}

}  // namespace

std::vector<std::string> TaskIds() {
  std::vector<std::string> ids;
  for (const auto& [id, maker] : Makers()) ids.push_back(id);
  return ids;
}

std::unique_ptr<Task> MakeTask(const std::string& id, const mjModel& model, const TaskArgs& args) {
  const auto found = Makers().find(id);
  if (found == Makers().end()) {
    std::string text = "task must be one of";
    for (const std::string& known : TaskIds()) text += " " + known;
    throw std::invalid_argument(text + ", got " + id);
  }
  TaskArgReader reader(id, args);
  std::unique_ptr<Task> task = found->second(model, &reader);
  reader.ExpectAllRead();
  return task;
}

}  // namespace td7
