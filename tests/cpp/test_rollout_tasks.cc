// rollout/tasks: what MakeTask refuses, and that on small models of a user each task stays within
// its rows, for sanitizers to see. That the numbers are Gymnasium's is tested from Python. Exits
// with 0 if all claims hold.
#include <mujoco/mujoco.h>

#include <cmath>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "rollout/model.h"
#include "rollout/tasks/registry.h"

namespace td7 {
namespace {

Model Compiled(const std::string& bodies) {
  const std::string xml = "<mujoco><worldbody>" + bodies + "</worldbody></mujoco>";
  char error[500] = "";
  mjSpec* spec = mj_parseXMLString(xml.c_str(), nullptr, error, sizeof error);
  Model model(spec == nullptr ? nullptr : mj_compile(spec, nullptr));
  mj_deleteSpec(spec);
  if (model == nullptr) throw std::runtime_error(std::string("no model: ") + error);
  return model;
}

// A chain of bodies, each hanging from the one before by a hinge; the names are in that order.
std::string Chain(const std::vector<std::string>& names) {
  std::string open;
  std::string close;
  for (const std::string& name : names) {
    open += "<body name='" + name +
            "' pos='0 0 .5'><joint type='hinge' axis='0 1 0'/>"
            "<geom type='sphere' size='.1' pos='.3 0 0'/>";
    close += "</body>";
  }
  return "<site name='tip'/>" + open + close;
}

std::string FreeBody() {
  return "<body name='root' pos='0 0 1.2'><freejoint/><geom type='sphere' size='.1'/></body>";
}

// The smallest model, about, that the task takes.
std::string SmallestFor(const std::string& id) {
  if (id == "HalfCheetah-v5") return Chain({"a"});
  if (id == "Swimmer-v5" || id == "InvertedPendulum-v5") return Chain({"a", "b"});
  if (id == "Reacher-v5") return Chain({"fingertip", "target", "c", "d"});
  if (id == "Pusher-v5") return Chain({"tips_arm", "object", "goal", "d", "e", "f", "g"});
  if (id == "Humanoid-v5" || id == "HumanoidStandup-v5") return FreeBody();
  return Chain({"a", "b", "c"});
}

const Range kAnyRange{-10.0, 10.0};

// The arguments that Gymnasium's classes have in common, or not; a task is given those it knows.
TaskArgs DefaultArgs(const std::string& id) {
  const bool humanoid = id == "Humanoid-v5" || id == "HumanoidStandup-v5";
  const bool walker = id == "Hopper-v5" || id == "Walker2d-v5";
  const bool runner = walker || id == "HalfCheetah-v5" || id == "Swimmer-v5" || id == "Ant-v5" ||
                      id == "Humanoid-v5";
  TaskArgs args{{"frame_skip", std::int64_t{2}}};
  if (id != "Reacher-v5" && id != "Pusher-v5") args["reset_noise_scale"] = 0.1;
  if (runner) args["forward_reward_weight"] = std::int64_t{1};
  if (runner || humanoid) {
    args["ctrl_cost_weight"] = 0.5;
    args["exclude_current_positions_from_observation"] = true;
  }
  if (walker || id == "Ant-v5" || id == "Humanoid-v5") {
    args["healthy_reward"] = 1.0;
    args["terminate_when_unhealthy"] = true;
    args["healthy_z_range"] = kAnyRange;
  }
  if (walker) args["healthy_angle_range"] = kAnyRange;
  if (id == "Hopper-v5") args["healthy_state_range"] = kAnyRange;
  if (id == "InvertedDoublePendulum-v5") args["healthy_reward"] = 10.0;
  if (id == "Ant-v5") {
    args["main_body"] = std::int64_t{1};
    args["contact_force_range"] = kAnyRange;
  }
  if (id == "Ant-v5" || id == "Humanoid-v5") args["contact_cost_weight"] = 1e-3;
  if (id == "Humanoid-v5") args["contact_cost_range"] = kAnyRange;
  if (id == "HumanoidStandup-v5") {
    args["uph_cost_weight"] = 1.0;
    args["impact_cost_weight"] = 1e-3;
    args["impact_cost_range"] = kAnyRange;
  }
  if (humanoid) {
    args["include_cinert_in_observation"] = true;
    args["include_cvel_in_observation"] = true;
    args["include_qfrc_actuator_in_observation"] = true;
  }
  if (humanoid || id == "Ant-v5") args["include_cfrc_ext_in_observation"] = true;
  if (id == "Reacher-v5" || id == "Pusher-v5") {
    args["reward_dist_weight"] = 1.0;
    args["reward_control_weight"] = 0.1;
  }
  if (id == "Pusher-v5") args["reward_near_weight"] = 0.5;
  return args;
}

TaskArgs With(TaskArgs args, const std::string& name, TaskArg value) {
  args[name] = std::move(value);
  return args;
}

bool AllSet(const std::vector<double>& row) {
  bool set = true;
  for (const double number : row) set = set && !std::isnan(number);
  return set;
}

// Every row is a memory of its own of exactly the stated size, and comes back filled.
void TaskFillsItsRows(const mjModel& model, const Task& task) {
  const TaskShape& shape = task.shape();
  const std::unique_ptr<mjData, DeleteData> data(mj_makeData(&model));
  const auto unset = [](std::int64_t n) {
    return std::vector<double>(static_cast<std::size_t>(n), std::nan(""));
  };
  std::vector<double> obs = unset(shape.obs_size);
  std::vector<double> memory = unset(shape.memory_size);
  std::vector<double> info = unset(shape.info_size());
  const std::vector<float> action(static_cast<std::size_t>(model.nu), 0.5F);
  NumpyGenerator random(Pcg64State{1, 2, 3, 5, 0, 0});
  task.Reset(model, data.get(), &random);
  mj_forward(&model, data.get());
  task.Observe(model, *data, obs.data());
  task.ResetInfo(model, *data, info.data());
  CHECK(AllSet(obs));
  std::size_t next = 0;
  for (const InfoField& field : shape.info) {
    for (std::int64_t i = 0; i < field.width(); ++i) {
      CHECK(std::isnan(info[next++]) == !field.at_reset);
    }
  }
  task.Remember(model, *data, memory.data());
  mj_step(&model, data.get());
  const Outcome without_info = task.Score(model, *data, action.data(), memory.data(), nullptr);
  info = unset(shape.info_size());
  const Outcome outcome = task.Score(model, *data, action.data(), memory.data(), info.data());
  CHECK(AllSet(memory));
  CHECK(AllSet(info));
  CHECK(std::isfinite(outcome.reward));
  CHECK(outcome.reward == without_info.reward);
}

void EveryTaskFillsItsRowsOnTheSmallestModel() {
  CHECK(TaskIds().size() == 11);
  for (const std::string& id : TaskIds()) {
    const Model model = Compiled(SmallestFor(id));
    TaskArgs args = DefaultArgs(id);
    TaskFillsItsRows(*model, *MakeTask(id, *model, args));
    for (auto& [name, arg] : args) {
      if (name.find("_observation") != std::string::npos) arg = false;
    }
    TaskFillsItsRows(*model, *MakeTask(id, *model, args));
  }
}

// Whether the task ends an episode in a state of the model that differs from its first in one
// number: position `index`, or velocity -1 - index.
bool Ends(const std::string& id, const TaskArgs& args, int index, double value) {
  const Model model = Compiled(SmallestFor(id));
  const std::unique_ptr<Task> task = MakeTask(id, *model, args);
  const std::unique_ptr<mjData, DeleteData> data(mj_makeData(model.get()));
  mj_forward(model.get(), data.get());
  (index < 0 ? data->qvel[-1 - index] : data->qpos[index]) = value;
  const std::vector<double> memory(static_cast<std::size_t>(task->shape().memory_size));
  const std::vector<float> action(static_cast<std::size_t>(model->nu));
  return task->Score(*model, *data, action.data(), memory.data(), nullptr).terminated;
}

// Gymnasium's ranges exclude their ends, but for Ant's and for the pendulums'.
void HealthEndsAtTheEndsOfTheRanges() {
  const double above = std::nextafter(0.2, 1.0);
  const double nan = std::nan("");
  const Range range{-0.2, 0.2};
  TaskArgs args = With(DefaultArgs("Hopper-v5"), "healthy_z_range", range);
  args["healthy_angle_range"] = args["healthy_state_range"] = range;
  for (const int z_or_angle : {1, 2}) {
    TaskArgs walker = args;
    walker.erase("healthy_state_range");
    CHECK(!Ends("Walker2d-v5", walker, z_or_angle, std::nextafter(0.2, 0.0)));
    CHECK(Ends("Walker2d-v5", walker, z_or_angle, 0.2));
    CHECK(Ends("Walker2d-v5", walker, z_or_angle, -0.2));
    CHECK(Ends("Walker2d-v5", walker, z_or_angle, nan));
    CHECK(!Ends("Walker2d-v5", walker, -1, nan));
    CHECK(!Ends("Walker2d-v5", With(walker, "terminate_when_unhealthy", false), z_or_angle, nan));
  }
  for (const int state : {1, 2, -1, -2, -3}) {
    CHECK(!Ends("Hopper-v5", args, state, std::nextafter(0.2, 0.0)));
    for (const double value : {0.2, -0.2, nan}) CHECK(Ends("Hopper-v5", args, state, value));
  }
  CHECK(!Ends("Hopper-v5", args, 0, nan));
  const TaskArgs ant = With(DefaultArgs("Ant-v5"), "healthy_z_range", range);
  for (const double value : {0.2, -0.2}) CHECK(!Ends("Ant-v5", ant, 2, value));
  CHECK(Ends("Ant-v5", ant, 2, above));
  for (const int state : {0, 1, 2, -1, -2, -3}) CHECK(Ends("Ant-v5", ant, state, nan));
  CHECK(Ends("Ant-v5", ant, 0, HUGE_VAL));
  const TaskArgs humanoid = With(DefaultArgs("Humanoid-v5"), "healthy_z_range", Range(1.0, 2.0));
  CHECK(!Ends("Humanoid-v5", humanoid, 2, 1.5));
  for (const double value : {1.0, 2.0, nan}) CHECK(Ends("Humanoid-v5", humanoid, 2, value));
  const TaskArgs pendulum = DefaultArgs("InvertedPendulum-v5");
  for (const double value : {0.2, -0.2}) CHECK(!Ends("InvertedPendulum-v5", pendulum, 1, value));
  for (const double value : {above, -above, nan}) {
    CHECK(Ends("InvertedPendulum-v5", pendulum, 1, value));
  }
  for (const int state : {0, -1, -2}) CHECK(Ends("InvertedPendulum-v5", pendulum, state, HUGE_VAL));
}

// An empty array where the model has no tendons, as in Gymnasium; not a scalar.
void AHumanoidWithoutTendonsHasEmptyTendonArrays() {
  const Model model = Compiled(FreeBody());
  const std::unique_ptr<Task> task = MakeTask("Humanoid-v5", *model, DefaultArgs("Humanoid-v5"));
  CHECK(task->shape().info[2].name == "tendon_length");
  CHECK(task->shape().info[2].width() == 0);
  CHECK(task->shape().info_size() == 9);
}

void ModelsThatAreTooSmallAreRefused() {
  const Model hinge = Compiled(Chain({"a"}));
  const Model empty = Compiled("");
  const auto make = [](const std::string& id, const Model& model) {
    MakeTask(id, *model, DefaultArgs(id));
  };
  for (const std::string& id : TaskIds()) {
    CHECK_THROWS(make(id, empty), std::invalid_argument, id + " needs a model with ");
  }
  CHECK_THROWS(make("Hopper-v5", hinge), std::invalid_argument,
               "Hopper-v5 needs a model with at least 3 position coordinates, got 1");
  CHECK_THROWS(make("InvertedPendulum-v5", hinge), std::invalid_argument,
               "InvertedPendulum-v5 needs a model with 2 position coordinates, got 1");
  const Model four = Compiled(Chain({"fingertip", "b", "c", "d"}));
  CHECK_THROWS(make("Reacher-v5", four), std::invalid_argument,
               "Reacher-v5 needs a model with a body named \"target\"");
  CHECK_THROWS(make("Humanoid-v5", four), std::invalid_argument,
               "Humanoid-v5 needs a model with at least 6 velocity coordinates, got 4");
}

void ArgumentsAreCheckedByName() {
  const Model model = Compiled(Chain({"a", "b", "c"}));
  const auto make = [&model](const std::string& id, const TaskArgs& args) {
    MakeTask(id, *model, args);
  };
  const auto hopper = [&make](const std::string& name, const TaskArg& value) {
    make("Hopper-v5", With(DefaultArgs("Hopper-v5"), name, value));
  };
  using Invalid = std::invalid_argument;
  CHECK_THROWS(make("Hopper-v4", {}), Invalid, "task must be one of Ant-v5 HalfCheetah-v5");
  CHECK_THROWS(make("Hopper-v5", {}), Invalid, "Hopper-v5: missing argument ");
  CHECK_THROWS(hopper("wings", 2.0), Invalid, "Hopper-v5: unknown argument wings = 2");
  CHECK_THROWS(hopper("healthy_reward", true), Invalid,
               "healthy_reward must be a number, got True");
  CHECK_THROWS(hopper("healthy_reward", std::string("x")), Invalid, "a number, got 'x'");
  CHECK_THROWS(hopper("healthy_z_range", 0.7), Invalid,
               "Hopper-v5: healthy_z_range must be a pair of numbers, got 0.7");
  CHECK_THROWS(hopper("healthy_z_range", Range(0.0, std::nan(""))), Invalid, "without NaN");
  CHECK_THROWS(hopper("terminate_when_unhealthy", std::int64_t{1}), Invalid, "a bool, got 1");
  CHECK_THROWS(hopper("reset_noise_scale", -0.1), Invalid, "at least 0, got -0.1");
  CHECK_THROWS(hopper("reset_noise_scale", 1e308), Invalid, "finite and at least 0, got 1e+308");
  CHECK_THROWS(hopper("reset_noise_scale", std::nan("")), Invalid, "finite and at least 0");
  CHECK_THROWS(hopper("frame_skip", std::int64_t{0}), Invalid, "a positive integer, got 0");
  CHECK_THROWS(hopper("frame_skip", std::int64_t{1} << 31), Invalid, "a positive integer");
  CHECK_THROWS(hopper("frame_skip", 4.0), Invalid, "a positive integer, got 4");
  const auto ant = [&make](const TaskArg& main_body) {
    make("Ant-v5", With(DefaultArgs("Ant-v5"), "main_body", main_body));
  };
  CHECK_THROWS(ant(std::int64_t{-1}), Invalid, "main_body must be from 0 to 3, got -1");
  CHECK_THROWS(ant(std::int64_t{4}), Invalid, "main_body must be from 0 to 3, got 4");
  CHECK_THROWS(ant(std::string("z")), Invalid, "the name of a body of the model, got 'z'");
  CHECK_THROWS(ant(1.0), Invalid, "the id or the name of a body, got 1");
  ant(std::string("c"));
}

}  // namespace
}  // namespace td7

int main() {
  td7::EveryTaskFillsItsRowsOnTheSmallestModel();
  td7::HealthEndsAtTheEndsOfTheRanges();
  td7::AHumanoidWithoutTendonsHasEmptyTendonArrays();
  td7::ModelsThatAreTooSmallAreRefused();
  td7::ArgumentsAreCheckedByName();
  return failures == 0 ? 0 : 1;
}
