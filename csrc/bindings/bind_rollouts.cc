// Whole episodes under frozen policies, for Python: see rollout/rollouts.h. A run releases the GIL
// and takes it now and then, to look after signals.
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/engine_args.h"
#include "bindings/numpy_args.h"
#include "bindings/register.h"
#include "policy/policy.h"
#include "rollout/rollouts.h"

namespace py = pybind11;

namespace td7 {
namespace {

// What keeps the numbers of draws apart (rollout/rollouts.h).
constexpr std::int64_t kMostSteps = std::int64_t{1} << 40;
constexpr std::int64_t kMostSimsOfMember = std::int64_t{1} << 20;

// Looks after signals and the caller's wish to stop while the engine works. An exception of either
// stops the work and is kept.
class Watch {
 public:
  explicit Watch(py::object stop) : stop_(std::move(stop)) {}

  // Needs no GIL.
  bool Stop() {
    const py::gil_scoped_acquire locked;
    if (error_) return true;
    try {
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      return !stop_.is_none() && py::cast<bool>(stop_());
    } catch (...) {
      error_ = std::current_exception();
      return true;
    }
  }

  // Needs the GIL.
  void Rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  py::object stop_;
  std::exception_ptr error_;
};

Behaviour ToBehaviour(const std::string& name) {
  if (name == "greedy") return Behaviour::kGreedy;
  if (name == "explore") return Behaviour::kExplore;
  if (name == "random") return Behaviour::kRandom;
  throw std::invalid_argument("behaviour must be greedy, explore or random, got " + name);
}

std::vector<Behaviour> ToBehaviours(const std::vector<std::string>& names, std::int64_t members) {
  if (static_cast<std::int64_t>(names.size()) != members) {
    throw std::invalid_argument("behaviours must be one a member, " + std::to_string(members) +
                                ", got " + std::to_string(names.size()));
  }
  std::vector<Behaviour> behaviours;
  for (const std::string& name : names) behaviours.push_back(ToBehaviour(name));
  return behaviours;
}

void CheckSizes(Rollouts& rollouts, const Policy& policy) {
  const std::int64_t obs_size = rollouts.engine().task().shape().obs_size;
  const std::int64_t action_size = rollouts.engine().model().nu;
  const PolicySizes& sizes = policy.sizes();
  if (sizes.obs != obs_size || sizes.action != action_size) {
    throw std::invalid_argument("policies must map " + std::to_string(obs_size) + " to " +
                                std::to_string(action_size) + " numbers, got one of " +
                                std::to_string(sizes.obs) + " to " + std::to_string(sizes.action));
  }
}

std::vector<const Policy*> CheckedPolicies(Rollouts& rollouts,
                                           const std::vector<std::shared_ptr<Policy>>& policies) {
  if (static_cast<std::int64_t>(policies.size()) != rollouts.members()) {
    throw std::invalid_argument("policies must be one a member, " +
                                std::to_string(rollouts.members()) + ", got " +
                                std::to_string(policies.size()));
  }
  std::vector<const Policy*> pointers;
  for (const std::shared_ptr<Policy>& policy : policies) {
    if (!policy) throw py::type_error("policies must be of _core.Policy, got None");
    CheckSizes(rollouts, *policy);
    pointers.push_back(policy.get());
  }
  return pointers;
}

void Run(Rollouts& rollouts, const std::vector<std::shared_ptr<Policy>>& policies,
         py::handle most_steps, const std::vector<std::string>& behaviours, double noise,
         py::object stop) {
  const std::vector<const Policy*> chosen = CheckedPolicies(rollouts, policies);
  const std::int64_t n = rollouts.engine().num_sims();
  const auto* most = InputArray<std::int64_t>(most_steps, "most_steps",
                                              {rollouts.members(), rollouts.sims_per_member()});
  const std::vector<std::int64_t> limits(most, most + n);
  if (std::any_of(limits.begin(), limits.end(), [](std::int64_t limit) { return limit < 0; })) {
    throw std::invalid_argument("most_steps must not be negative");
  }
  if (!(noise >= 0.0 && noise <= 1e6)) {
    throw std::invalid_argument("noise must be from 0 to 1e6, got " + std::to_string(noise));
  }
  const std::vector<Behaviour> how = ToBehaviours(behaviours, rollouts.members());
  Watch watch(std::move(stop));
  const Alone alone(rollouts.engine());
  try {
    const py::gil_scoped_release unlocked;
    rollouts.Run(chosen, limits, how, static_cast<float>(noise), [&watch] { return watch.Stop(); });
  } catch (...) {
    watch.Rethrow();  // a KeyboardInterrupt comes first
    throw;
  }
  watch.Rethrow();
}

// (return, length, ended) of the simulation's episode so far.
std::tuple<double, std::int64_t, bool> EpisodeSummary(Rollouts& rollouts, std::int64_t sim) {
  const Alone alone(rollouts.engine());
  const EpisodeRows& rows = rollouts.episode(CheckedSim(rollouts.engine(), sim));
  return {rows.episode_return, rows.length, rows.ended};
}

py::array_t<std::int64_t> Steps(Rollouts& rollouts) {
  const Alone alone(rollouts.engine());
  py::array_t<std::int64_t> steps(rollouts.engine().num_sims());
  for (std::int64_t sim = 0; sim < rollouts.engine().num_sims(); ++sim) {
    steps.mutable_data()[sim] = rollouts.steps(sim);
  }
  return steps;
}

// (obs [T + 1, S], action [T, A], reward [T], terminated) of the simulation's episode so far,
// copied.
py::tuple Rows(Rollouts& rollouts, std::int64_t sim) {
  const Alone alone(rollouts.engine());
  const EpisodeRows& rows = rollouts.episode(CheckedSim(rollouts.engine(), sim));
  const py::ssize_t obs_size = rollouts.engine().task().shape().obs_size;
  const py::ssize_t action_size = rollouts.engine().model().nu;
  const auto steps = static_cast<py::ssize_t>(rows.reward.size());
  const auto seen = static_cast<py::ssize_t>(rows.obs.size()) / obs_size;
  return py::make_tuple(py::array_t<float>({seen, obs_size}, rows.obs.data()),
                        py::array_t<float>({steps, action_size}, rows.action.data()),
                        py::array_t<float>(steps, rows.reward.data()), rows.terminated);
}

void Store(Rollouts& rollouts, std::int64_t sim, LapReplay& replay) {
  const std::int64_t checked = CheckedSim(rollouts.engine(), sim);
  const LapConfig& config = replay.config();
  if (config.obs_size != rollouts.engine().task().shape().obs_size ||
      config.action_size != rollouts.engine().model().nu) {
    throw std::invalid_argument("replay must hold transitions of the task's sizes");
  }
  const Alone alone(rollouts.engine());
  const py::gil_scoped_release unlocked;
  rollouts.Store(checked, &replay);
}

void Repeat(Rollouts& rollouts, std::int64_t sim, const Policy& policy, py::handle actions,
            std::int64_t stored) {
  const std::int64_t checked = CheckedSim(rollouts.engine(), sim);
  CheckSizes(rollouts, policy);
  const auto* action = InputArray<float>(actions, "actions", {"T", rollouts.engine().model().nu});
  const std::int64_t steps = SizeOf(actions, 0);
  if (stored < 0 || stored > steps) {
    throw std::invalid_argument("stored must be in [0, " + std::to_string(steps) + "], got " +
                                std::to_string(stored));
  }
  const std::vector<float> kept(action, action + steps * rollouts.engine().model().nu);
  const Alone alone(rollouts.engine());
  const py::gil_scoped_release unlocked;
  rollouts.Repeat(checked, policy, kept.data(), steps, stored);
}

std::shared_ptr<Rollouts> MakeRollouts(std::shared_ptr<Engine> engine, py::handle seeds,
                                       bool keep_rows) {
  const auto* seed = InputArray<std::uint64_t>(seeds, "seeds", {"P"});
  const std::int64_t members = SizeOf(seeds, 0);
  if (members < 1 || engine->num_sims() % members != 0) {
    throw std::invalid_argument("the simulations must be as many for each of the seeds");
  }
  if (engine->num_sims() / members > kMostSimsOfMember) {
    throw std::invalid_argument("a member must have at most 2^20 simulations");
  }
  return std::make_shared<Rollouts>(std::move(engine),
                                    std::vector<std::uint64_t>(seed, seed + members), keep_rows);
}

}  // namespace

void register_rollouts(py::module_& module) {
  py::class_<Rollouts, std::shared_ptr<Rollouts>>(module, "Rollouts")
      .def(py::init(&MakeRollouts), py::arg("engine").none(false), py::arg("seeds"),
           py::arg("keep_rows"))
      .def("run", &Run, py::arg("policies"), py::arg("most_steps"), py::arg("behaviours"),
           py::arg("noise"), py::arg("stop") = py::none())
      .def("episode", &EpisodeSummary, py::arg("sim"))
      .def("rows", &Rows, py::arg("sim"))
      .def_property_readonly("steps", &Steps)
      .def("set_steps",
           [](Rollouts& rollouts, std::int64_t sim, std::int64_t steps) {
             const Alone alone(rollouts.engine());
             if (steps < 0 || steps >= kMostSteps) {
               throw std::invalid_argument("steps must be in [0, 2^40), got " +
                                           std::to_string(steps));
             }
             rollouts.set_steps(CheckedSim(rollouts.engine(), sim), steps);
           })
      .def("store", &Store, py::arg("sim"), py::arg("replay"))
      .def("stored",
           [](Rollouts& rollouts, std::int64_t sim) {
             const Alone alone(rollouts.engine());
             return rollouts.episode(CheckedSim(rollouts.engine(), sim)).stored;
           })
      .def("began",
           [](Rollouts& rollouts, std::int64_t sim) {
             const Alone alone(rollouts.engine());
             return Pcg64Words(rollouts.began(CheckedSim(rollouts.engine(), sim)));
           })
      .def("repeat", &Repeat, py::arg("sim"), py::arg("policy"), py::arg("actions"),
           py::arg("stored"))
      .def("clear", [](Rollouts& rollouts, std::int64_t sim) {
        const Alone alone(rollouts.engine());
        rollouts.Clear(CheckedSim(rollouts.engine(), sim));
      });
}

}  // namespace td7
