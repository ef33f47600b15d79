#include "rollout/task_args.h"

#include <cmath>
#include <limits>
#include <sstream>
#include <stdexcept>

namespace td7 {
namespace {

std::string Text(double number) {
  std::ostringstream text;
  text.precision(std::numeric_limits<double>::max_digits10 - 2);
  text << number;
  return text.str();
}

std::string Text(const TaskArg& arg) {
  if (const auto* flag = std::get_if<bool>(&arg)) return *flag ? "True" : "False";
  if (const auto* integer = std::get_if<std::int64_t>(&arg)) return std::to_string(*integer);
  if (const auto* number = std::get_if<double>(&arg)) return Text(*number);
  if (const auto* range = std::get_if<Range>(&arg)) {
    return "(" + Text(range->first) + ", " + Text(range->second) + ")";
  }
  return "'" + std::get<std::string>(arg) + "'";
}

}  // namespace

double TaskArgReader::Number(const std::string& name) {
  const TaskArg& arg = Read(name);
  if (const auto* integer = std::get_if<std::int64_t>(&arg)) return static_cast<double>(*integer);
  if (const auto* number = std::get_if<double>(&arg)) return *number;
  Refuse(name, "a number");
}

bool TaskArgReader::IsInteger(const std::string& name) {
  return std::holds_alternative<std::int64_t>(Read(name));
}

double TaskArgReader::NoiseScale(const std::string& name) {
  const double scale = Number(name);
  if (!(scale >= 0.0) || !std::isfinite(2.0 * scale)) Refuse(name, "finite and at least 0");
  return scale;
}

int TaskArgReader::FrameSkip() {
  const auto* steps = std::get_if<std::int64_t>(&Read("frame_skip"));
  if (steps == nullptr || *steps < 1 || *steps > std::numeric_limits<int>::max()) {
    Refuse("frame_skip", "a positive integer");
  }
  return static_cast<int>(*steps);
}

Range TaskArgReader::Bounds(const std::string& name) {
  const auto* range = std::get_if<Range>(&Read(name));
  if (range == nullptr) Refuse(name, "a pair of numbers");
  if (std::isnan(range->first) || std::isnan(range->second)) Refuse(name, "without NaN");
  return *range;
}

bool TaskArgReader::Flag(const std::string& name) {
  const auto* flag = std::get_if<bool>(&Read(name));
  if (flag == nullptr) Refuse(name, "a bool");
  return *flag;
}

int TaskArgReader::Body(const std::string& name, const mjModel& model) {
  const TaskArg& arg = Read(name);
  if (const auto* id = std::get_if<std::int64_t>(&arg)) {
    if (*id < 0 || *id >= model.nbody) {
      Refuse(name, "from 0 to " + std::to_string(model.nbody - 1));
    }
    return static_cast<int>(*id);
  }
  const auto* body = std::get_if<std::string>(&arg);
  if (body == nullptr) Refuse(name, "the id or the name of a body");
  const int id = mj_name2id(&model, mjOBJ_BODY, body->c_str());
  if (id < 0) Refuse(name, "the name of a body of the model");
  return id;
}

void TaskArgReader::ExpectAllRead() const {
  for (const auto& [name, arg] : args_) {
    if (read_.count(name) != 0) continue;
    throw std::invalid_argument(task_id_ + ": unknown argument " + name + " = " + Text(arg));
  }
}

const TaskArg& TaskArgReader::Read(const std::string& name) {
  const auto found = args_.find(name);
  if (found == args_.end()) throw std::invalid_argument(task_id_ + ": missing argument " + name);
  read_.insert(name);
  return found->second;
}

void TaskArgReader::Refuse(const std::string& name, const std::string& wanted) const {
  throw std::invalid_argument(task_id_ + ": " + name + " must be " + wanted + ", got " +
                              Text(args_.at(name)));
}

}  // namespace td7
