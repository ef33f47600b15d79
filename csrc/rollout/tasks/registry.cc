#include "rollout/tasks/registry.h"

#include <map>
#include <stdexcept>

#include "rollout/tasks/defaults.h"
#include "rollout/tasks/task_entry.h"

// Every task. <Name>Task(), in the task's own file, returns its entry (task_entry.h). The list
// refers to each, so that a linker keeps the objects of a static library.
#define TD7_TASKS(DO)        \
  DO(Ant)                    \
  DO(HalfCheetah)            \
  DO(Hopper)                 \
  DO(Humanoid)               \
  DO(HumanoidStandup)        \
  DO(InvertedDoublePendulum) \
  DO(InvertedPendulum)       \
  DO(Pusher)                 \
  DO(Reacher)                \
  DO(Swimmer)                \
  DO(Walker2d)

namespace td7 {

#define TD7_DECLARE(Name) TaskEntry Name##Task();
TD7_TASKS(TD7_DECLARE)
#undef TD7_DECLARE

namespace {

std::map<std::string, TaskEntry> ById(const std::vector<TaskEntry>& entries) {
  std::map<std::string, TaskEntry> by_id;
  for (const TaskEntry& entry : entries) by_id.emplace(entry.id, entry);
  return by_id;
}

// Built at the first call: the order in which files' static objects are initialised has no effect.
const std::map<std::string, TaskEntry>& Entries() {
#define TD7_CALL(Name) Name##Task(),
  static const std::map<std::string, TaskEntry> entries = ById({TD7_TASKS(TD7_CALL)});
#undef TD7_CALL
  return entries;
}

// Return the entry of `id`. The error for an unknown id names `argument`.
const TaskEntry& EntryOf(const std::string& argument, const std::string& id) {
  const auto found = Entries().find(id);
  if (found != Entries().end()) return found->second;
  std::string text = argument + " must be one of";
  for (const std::string& known : TaskIds()) text += " " + known;
  throw std::invalid_argument(text + ", got " + id);
}

}  // namespace

#undef TD7_TASKS

std::vector<std::string> TaskIds() {
  std::vector<std::string> ids;
  for (const auto& [id, entry] : Entries()) ids.push_back(id);
  return ids;
}

std::unique_ptr<Task> MakeTask(const std::string& id, const mjModel& model, const TaskArgs& args) {
  const TaskEntry& entry = EntryOf("task", id);
  TaskArgReader reader(id, args);
  std::unique_ptr<Task> task = entry.make(model, &reader);
  reader.ExpectAllRead();
  return task;
}

TaskDefaults DefaultsOf(const std::string& id) { return EntryOf("env", id).defaults; }

}  // namespace td7
