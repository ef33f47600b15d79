// Policy inference for Python: see policy/policy.h and policy/exploration.h.
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>

#include "bindings/numpy_args.h"
#include "bindings/register.h"
#include "policy/exploration.h"
#include "policy/policy.h"

namespace py = pybind11;

namespace td7 {
namespace {

Precision PrecisionOf(const std::string& name) {
  if (name == "float32") return Precision::kFloat32;
  if (name == "bfloat16") return Precision::kBfloat16;
  throw std::invalid_argument("precision must be float32 or bfloat16, got " + name);
}

// The rows of a batch that is not checked yet.
int BatchOf(py::handle rows) {
  const std::int64_t n = SizeOf(rows, 0);
  if (n <= std::numeric_limits<int>::max()) return static_cast<int>(n);
  throw std::invalid_argument("a batch must have less than 2^31 rows, got " + std::to_string(n));
}

py::handle Entry(const py::dict& weights, const std::string& name) {
  PyObject* const value = PyDict_GetItemString(weights.ptr(), name.c_str());
  if (value == nullptr) throw std::invalid_argument("weights must hold " + name);
  return value;
}

LinearWeights Linear(const py::dict& weights, const std::string& layer, int inputs, int outputs) {
  const std::string weight = layer + ".weight";
  const std::string bias = layer + ".bias";
  return {InputArray<float>(Entry(weights, weight), weight.c_str(), {outputs, inputs}),
          InputArray<float>(Entry(weights, bias), bias.c_str(), {outputs})};
}

void Load(Policy& policy, const py::dict& weights) {
  const auto [obs, action, embedding, hidden, actor] = policy.sizes();
  PolicyWeights w;
  w.zs1 = Linear(weights, "encoder.zs1", obs, hidden);
  w.zs2 = Linear(weights, "encoder.zs2", hidden, hidden);
  w.zs3 = Linear(weights, "encoder.zs3", hidden, embedding);
  w.l0 = Linear(weights, "actor.l0", obs, actor);
  w.l1 = Linear(weights, "actor.l1", actor + embedding, actor);
  w.l2 = Linear(weights, "actor.l2", actor, actor);
  w.l3 = Linear(weights, "actor.l3", actor, action);
  w.low = InputArray<float>(Entry(weights, "low"), "low", {action});
  w.high = InputArray<float>(Entry(weights, "high"), "high", {action});
  for (int i = 0; i < action; ++i) {
    if (std::isfinite(w.low[i]) && std::isfinite(w.high[i]) && w.low[i] <= w.high[i]) continue;
    throw std::invalid_argument("low and high must be finite, with low <= high, got " +
                                std::to_string(w.low[i]) + " and " + std::to_string(w.high[i]));
  }
  const py::gil_scoped_release unlocked;
  policy.Load(w);
}

using Method = void (Policy::*)(const float*, int, PolicyScratch*, float*) const;

template <Method method>
void Run(const Policy& policy, py::handle obs, py::handle out, int width) {
  const int n = BatchOf(obs);
  const auto* rows = InputArray<float>(obs, "obs", {"n", policy.sizes().obs});
  auto* results = OutputArray<float>(out, "out", {n, width});
  const py::gil_scoped_release unlocked;
  PolicyScratch scratch(policy.sizes());
  (policy.*method)(rows, n, &scratch, results);
}

void Normalised(const Policy& policy, py::handle obs, py::handle out) {
  Run<&Policy::Normalised>(policy, obs, out, policy.sizes().action);
}

void Act(const Policy& policy, py::handle obs, py::handle out) {
  Run<&Policy::Act>(policy, obs, out, policy.sizes().action);
}

void Zs(const Policy& policy, py::handle obs, py::handle out) {
  Run<&Policy::Zs>(policy, obs, out, policy.sizes().embedding);
}

void ToEnv(const Policy& policy, py::handle action, py::handle out) {
  const int n = BatchOf(action);
  const int size = policy.sizes().action;
  const auto* rows = InputArray<float>(action, "action", {"n", size});
  policy.ToEnv(rows, n, OutputArray<float>(out, "out", {n, size}));
}

void BindExplore(std::uint64_t seed, std::uint64_t env_step, double noise, py::handle action,
                 py::handle out) {
  const std::int64_t size = SizeOf(action, 0);
  const auto* from = InputArray<float>(action, "action", {"A"});
  auto* to = OutputArray<float>(out, "out", {size});
  Explore(seed, env_step, static_cast<float>(noise), from, static_cast<int>(size), to);
}

void BindWarmupAction(std::uint64_t seed, std::uint64_t env_step, py::handle out) {
  auto* to = OutputArray<float>(out, "out", {"A"});
  WarmupAction(seed, env_step, static_cast<int>(SizeOf(out, 0)), to);
}

}  // namespace

void register_policy(py::module_& module) {
  py::class_<Policy, std::shared_ptr<Policy>>(
      module, "Policy",
      "TD7's policy without torch. Calls may run on several threads at once, load only alone.")
      .def(py::init([](int obs, int action, int embedding, int encoder_hidden, int actor_hidden,
                       const std::string& precision) {
             const PolicySizes sizes{obs, action, embedding, encoder_hidden, actor_hidden};
             return std::make_shared<Policy>(sizes, PrecisionOf(precision));
           }),
           py::arg("obs_size"), py::arg("action_size"), py::arg("embedding_size"),
           py::arg("encoder_hidden"), py::arg("actor_hidden"), py::arg("precision") = "float32")
      .def("load", &Load, py::arg("weights"),
           "Copies weights in, named and shaped as PolicyModule.state_dict(); others are ignored.")
      .def("normalised", &Normalised, py::arg("obs"), py::arg("out"),
           "Fills out [n, A] with the actions in [-1, 1] for obs [n, S].")
      .def("act", &Act, py::arg("obs"), py::arg("out"),
           "Fills out [n, A] with the environment's actions for obs [n, S].")
      .def("to_env", &ToEnv, py::arg("action"), py::arg("out"),
           "Fills out [n, A] with the environment's actions for action [n, A] in [-1, 1].")
      .def("zs", &Zs, py::arg("obs"), py::arg("out"),
           "Fills out [n, Z] with the embeddings of obs [n, S].");
  module.def("explore", &BindExplore, py::arg("seed"), py::arg("env_step"), py::arg("noise"),
             py::arg("action"), py::arg("out"),
             "Fills out [A] with action [A] and exploration noise, within [-1, 1].");
  module.def("warmup_action", &BindWarmupAction, py::arg("seed"), py::arg("env_step"),
             py::arg("out"), "Fills out [A] with a uniform action in [-1, 1].");
}

}  // namespace td7
