// The constructor arguments of a task, by the names that Gymnasium gives them, and their reader.
//
// Errors are std::invalid_argument, with the task and the argument in the text:
//   Hopper-v5: healthy_z_range must be a pair of numbers, got 0.7
#ifndef TD7_ROLLOUT_TASK_ARGS_H_
#define TD7_ROLLOUT_TASK_ARGS_H_

#include <mujoco/mujoco.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>

namespace td7 {

using Range = std::pair<double, double>;  // low, high
using TaskArg = std::variant<bool, std::int64_t, double, Range, std::string>;
using TaskArgs = std::map<std::string, TaskArg>;

// Whether x lies within the range, its ends excluded; NaN does not.
inline bool IsWithin(double x, const Range& range) { return range.first < x && x < range.second; }

// Reads every argument once, or more often, and knows at the end which ones nobody wanted.
class TaskArgReader {
 public:
  // `args` must outlive the reader.
  TaskArgReader(std::string task_id, const TaskArgs& args)
      : task_id_(std::move(task_id)), args_(args) {}

  const std::string& task_id() const { return task_id_; }

  double Number(const std::string& name);      // a float or an integer
  bool IsInteger(const std::string& name);     // whether that number is an integer
  double NoiseScale(const std::string& name);  // a number >= 0, of which twice is finite
  int FrameSkip();                             // "frame_skip", an integer >= 1
  Range Bounds(const std::string& name);       // a pair of numbers, none of them NaN
  bool Flag(const std::string& name);
  int Body(const std::string& name, const mjModel& model);  // id of a body given by id or name

  // Throws for an argument that was never read.
  void ExpectAllRead() const;

 private:
  const TaskArg& Read(const std::string& name);
  [[noreturn]] void Refuse(const std::string& name, const std::string& wanted) const;

  std::string task_id_;
  const TaskArgs& args_;
  std::set<std::string> read_;
};

}  // namespace td7

#endif  // TD7_ROLLOUT_TASK_ARGS_H_
