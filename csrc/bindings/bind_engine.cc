// The rollout engine for Python, as a vector environment drives it. Every method unpacks its
// arguments under the GIL, then releases it once for the whole job; a second thread that calls
// meanwhile is refused.
//
// Outputs are written in place while the GIL is released; what decides where the core reads and
// writes is copied first.
#include <pybind11/stl.h>

#include <algorithm>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/engine_args.h"
#include "bindings/numpy_args.h"
#include "bindings/register.h"
#include "rollout/engine.h"
#include "rollout/tasks/registry.h"

namespace py = pybind11;

namespace td7 {
namespace {

constexpr std::int64_t kMostSims = std::int64_t{1} << 20;
constexpr std::int64_t kMostThreads = 4096;

std::vector<std::int64_t> CheckedSims(const Engine& engine, py::handle sims) {
  const auto* chosen = InputArray<std::int64_t>(sims, "sims", {"n"});
  std::vector<std::int64_t> copy(chosen, chosen + SizeOf(sims, 0));
  std::vector<bool> seen(static_cast<std::size_t>(engine.num_sims()));
  for (const std::int64_t sim : copy) {
    const auto place = static_cast<std::size_t>(CheckedSim(engine, sim));
    if (seen[place]) throw std::invalid_argument("sims names " + std::to_string(sim) + " twice");
    seen[place] = true;
  }
  return copy;
}

// A copy, which nobody writes to while it is used, checked to be finite.
template <typename T>
std::vector<T> CheckedActions(const Engine& engine, py::handle actions) {
  const std::int64_t sims = engine.num_sims();
  const std::int64_t size = engine.model().nu;
  const auto* values = InputArray<T>(actions, "actions", {sims, size});
  for (std::int64_t i = 0; i < sims * size; ++i) {
    if (std::isfinite(values[i])) continue;
    throw std::invalid_argument("actions[" + std::to_string(i / size) + ", " +
                                std::to_string(i % size) + "] must be finite, got " +
                                std::to_string(values[i]));
  }
  return std::vector<T>(values, values + sims * size);
}

std::int64_t AtLeastOne(std::int64_t value, const char* name) {
  if (value >= 1) return value;
  throw std::invalid_argument(std::string(name) + " must be at least 1, got " +
                              std::to_string(value));
}

// A bool, an integer, a number, a text or a pair of numbers.
TaskArg ToTaskArg(const std::string& name, py::handle value) {
  if (PyBool_Check(value.ptr())) return value.ptr() == Py_True;
  if (py::isinstance<py::str>(value)) return value.cast<std::string>();
  try {
    if (py::isinstance<py::int_>(value)) return value.cast<std::int64_t>();
    if (py::isinstance<py::tuple>(value) || py::isinstance<py::list>(value)) {
      return value.cast<std::pair<double, double>>();
    }
    if (PyNumber_Check(value.ptr())) return value.cast<double>();
  } catch (const py::cast_error&) {
    // said below
  }
  throw py::type_error(name + " must be a number, a bool, a text or a pair of numbers, got " +
                       py::repr(value).cast<std::string>());
}

TaskArgs ToTaskArgs(const py::dict& arguments) {
  TaskArgs result;
  for (const auto& [key, value] : arguments) {
    const auto name = key.cast<std::string>();
    result[name] = ToTaskArg(name, value);
  }
  return result;
}

std::shared_ptr<Engine> MakeEngine(const std::string& task, const std::string& xml_file,
                                   const py::dict& arguments, std::int64_t num_sims,
                                   std::int64_t num_threads, std::int64_t max_episode_steps) {
  if (AtLeastOne(num_sims, "num_envs") > kMostSims) {
    throw std::invalid_argument("num_envs must be at most 2^20 in all, got " +
                                std::to_string(num_sims));
  }
  if (AtLeastOne(num_threads, "num_threads") > kMostThreads) {
    throw std::invalid_argument("num_threads must be at most 4096, got " +
                                std::to_string(num_threads));
  }
  const int threads = static_cast<int>(std::min(num_threads, num_sims));
  AtLeastOne(max_episode_steps, "max_episode_steps");
  const TaskArgs values = ToTaskArgs(arguments);
  const py::gil_scoped_release unlocked;
  Model model = LoadModel(xml_file);
  // A single kinematic tree is a single island: without the search for it the numbers are the same,
  // to the bit, and come a few per cent sooner.
  if (model->ntree == 1) model->opt.disableflags |= mjDSBL_ISLAND;
  std::unique_ptr<Task> rules = MakeTask(task, *model, values);
  return std::make_shared<Engine>(std::move(model), std::move(rules), num_sims, threads,
                                  max_episode_steps);
}

// (name, type, array size or -1, at reset) of each info field; the type "action" is the actions'.
std::vector<std::tuple<std::string, std::string, std::int64_t, bool>> InfoFields(
    const Engine& engine) {
  std::vector<std::tuple<std::string, std::string, std::int64_t, bool>> fields;
  for (const InfoField& field : engine.task().shape().info) {
    const char* type = field.type == InfoType::kFloat64  ? "float64"
                       : field.type == InfoType::kAction ? "action"
                                                         : "int64";
    fields.emplace_back(field.name, type, field.array_size, field.at_reset);
  }
  return fields;
}

// The words of numpy's PCG64: state high and low, inc high and low, has_uint32, uinteger.
void Seed(Engine& engine, std::int64_t sim, py::handle words) {
  const auto* w = InputArray<std::uint64_t>(words, "words", {6});
  const Alone alone(engine);
  engine.sim(CheckedSim(engine, sim))
      .Seed({w[0], w[1], w[2], w[3], static_cast<std::uint32_t>(w[4]),
             static_cast<std::uint32_t>(w[5])});
}

py::array_t<std::uint64_t> RandomState(Engine& engine, std::int64_t sim) {
  const Alone alone(engine);
  return Pcg64Words(engine.sim(CheckedSim(engine, sim)).random_state());
}

void Reset(Engine& engine, py::handle sims, py::handle obs, py::handle info) {
  const TaskShape& shape = engine.task().shape();
  const std::vector<std::int64_t> chosen = CheckedSims(engine, sims);
  const auto n = static_cast<std::int64_t>(chosen.size());
  auto* obs_data = OutputArray<double>(obs, "obs", {n, shape.obs_size});
  auto* info_data = OutputArray<double>(info, "info", {n, shape.info_size()});
  const Alone alone(engine);
  const py::gil_scoped_release unlocked;
  engine.Reset(chosen, obs_data, info_data);
}

std::uint8_t* OutputFlags(py::handle flags, const char* name, std::int64_t n) {
  return reinterpret_cast<std::uint8_t*>(OutputArray<bool>(flags, name, {n}));
}

template <typename T>
void Step(Engine& engine, py::handle actions, py::handle reset_first, bool same_step,
          py::handle obs, py::handle reward, py::handle terminated, py::handle truncated,
          py::handle final_obs, py::handle info, py::handle reset_info, py::handle diverged) {
  const TaskShape& shape = engine.task().shape();
  const std::int64_t n = engine.num_sims();
  const std::vector<T> chosen = CheckedActions<T>(engine, actions);
  const auto* first =
      reinterpret_cast<const std::uint8_t*>(InputArray<bool>(reset_first, "reset_first", {n}));
  const std::vector<std::uint8_t> resets(first, first + n);
  const StepOutput output{OutputArray<double>(obs, "obs", {n, shape.obs_size}),
                          OutputArray<double>(reward, "reward", {n}),
                          OutputFlags(terminated, "terminated", n),
                          OutputFlags(truncated, "truncated", n),
                          OutputArray<double>(final_obs, "final_obs", {n, shape.obs_size}),
                          OutputArray<double>(info, "info", {n, shape.info_size()}),
                          OutputArray<double>(reset_info, "reset_info", {n, shape.info_size()}),
                          OutputArray<std::int32_t>(diverged, "diverged", {n})};
  const Alone alone(engine);
  const py::gil_scoped_release unlocked;
  engine.Step(chosen.data(), resets.data(), same_step, output);
}

void SetState(Engine& engine, std::int64_t sim, py::handle qpos, py::handle qvel) {
  const auto* position = InputArray<double>(qpos, "qpos", {engine.model().nq});
  const auto* velocity = InputArray<double>(qvel, "qvel", {engine.model().nv});
  const Alone alone(engine);
  Simulation& one = engine.sim(CheckedSim(engine, sim));
  const LogHandler handler;
  std::fenv_t callers;  // the numbers of the engine's threads, whatever the caller's rounding
  std::fegetenv(&callers);
  std::fesetenv(FE_DFL_ENV);
  const bool done = one.SetState(position, velocity);
  std::fesetenv(&callers);
  if (!done) {
    throw SimulationError(
        {{sim, "simulation " + std::to_string(sim), one.episode_step(), one.error()}});
  }
}

// mj_getState of one simulation: everything that mj_step depends on. Throws SimulationError where
// an error has left none.
py::array_t<double> Physics(Engine& engine, std::int64_t sim) {
  const Alone alone(engine);
  const Simulation& one = engine.sim(CheckedSim(engine, sim));
  if (one.data() == nullptr) {
    throw SimulationError({{sim, "simulation " + std::to_string(sim), one.episode_step(),
                            "an error has left no state: reset it first"}});
  }
  py::array_t<double> state(mj_stateSize(&engine.model(), mjSTATE_INTEGRATION));
  mj_getState(&engine.model(), one.data(), state.mutable_data(), mjSTATE_INTEGRATION);
  return state;
}

}  // namespace

void register_engine(py::module_& module) {
  py::register_exception<SimulationError>(module, "SimulationError", PyExc_RuntimeError);
  module.def("task_ids", &TaskIds, "The Gymnasium ids that have a task in C++.");
  py::class_<Engine, std::shared_ptr<Engine>>(module, "Engine")
      .def(py::init(&MakeEngine), py::arg("task"), py::arg("xml_file"), py::arg("arguments"),
           py::arg("num_sims"), py::arg("num_threads"), py::arg("max_episode_steps"))
      .def_property_readonly("num_sims", &Engine::num_sims)
      .def_property_readonly("num_threads", &Engine::num_threads)
      .def_property_readonly("max_episode_steps", &Engine::max_episode_steps)
      .def_property_readonly("obs_size",
                             [](const Engine& engine) { return engine.task().shape().obs_size; })
      .def_property_readonly("action_size", [](const Engine& engine) { return engine.model().nu; })
      .def_property_readonly("info_fields", &InfoFields)
      .def("seed", &Seed, py::arg("sim"), py::arg("words"))
      .def("random_state", &RandomState, py::arg("sim"))
      .def("reset", &Reset, py::arg("sims"), py::arg("obs"), py::arg("info"))
      .def("step", &Step<float>, py::arg("actions"), py::arg("reset_first"), py::arg("same_step"),
           py::arg("obs"), py::arg("reward"), py::arg("terminated"), py::arg("truncated"),
           py::arg("final_obs"), py::arg("info"), py::arg("reset_info"), py::arg("diverged"))
      .def("step_float64", &Step<double>, py::arg("actions"), py::arg("reset_first"),
           py::arg("same_step"), py::arg("obs"), py::arg("reward"), py::arg("terminated"),
           py::arg("truncated"), py::arg("final_obs"), py::arg("info"), py::arg("reset_info"),
           py::arg("diverged"))
      .def("set_state", &SetState, py::arg("sim"), py::arg("qpos"), py::arg("qvel"))
      .def("physics", &Physics, py::arg("sim"));
}

}  // namespace td7
