#include "rollout/engine.h"

#include <algorithm>
#include <utility>

#include "rollout/timers_off.h"

namespace td7 {
namespace {

constexpr std::size_t kShownFailures = 3;

std::string FailureText(const std::vector<Failure>& failures) {
  std::string text;
  for (std::size_t i = 0; i < std::min(failures.size(), kShownFailures); ++i) {
    const Failure& failure = failures[i];
    if (i > 0) text += "; ";
    text += failure.name + ", episode step " + std::to_string(failure.episode_step) + ": " +
            failure.text;
  }
  if (failures.size() > kShownFailures) {
    text += "; and " + std::to_string(failures.size() - kShownFailures) + " more";
  }
  return text;
}

}  // namespace

SimulationError::SimulationError(const std::vector<Failure>& failures)
    : std::runtime_error(FailureText(failures)) {}

Engine::Engine(Model model, std::unique_ptr<Task> task, std::int64_t num_sims, int num_threads,
               std::int64_t max_episode_steps)
    : model_(std::move(model)),
      task_(std::move(task)),
      max_episode_steps_(max_episode_steps),
      pool_(num_threads) {
  sims_.reserve(static_cast<std::size_t>(num_sims));
  for (std::int64_t i = 0; i < num_sims; ++i) {
    sims_.push_back(std::make_unique<Simulation>(*model_, *task_, max_episode_steps));
  }
}

void Engine::Reset(const std::vector<std::int64_t>& sims, double* obs, double* info) {
  const TaskShape& shape = task_->shape();
  const auto job = [&](std::int64_t k) {
    ResetOne(sims[static_cast<std::size_t>(k)], obs + k * shape.obs_size,
             info + k * shape.info_size());
  };
  Run(static_cast<std::int64_t>(sims.size()), job, nullptr);
}

void Engine::Step(const Action& actions, const std::uint8_t* reset_first, bool same_step,
                  const StepOutput& output) {
  const TaskShape& shape = task_->shape();
  const auto job = [&](std::int64_t i) {
    output.terminated[i] = output.truncated[i] = 0;
    output.reward[i] = 0.0;
    output.diverged[i] = 0;
    if (reset_first[i] != 0) {
      ResetOne(i, output.obs + i * shape.obs_size, output.reset_info + i * shape.info_size());
    } else {
      StepOne(i, actions.Row(i, model_->nu), same_step, output);
    }
  };
  Run(num_sims(), job, nullptr);
}

void Engine::StepOne(std::int64_t index, const Action& action, bool same_step,
                     const StepOutput& output) {
  const TaskShape& shape = task_->shape();
  Simulation& one = sim(index);
  if (!one.running()) {
    Fail(index, one.episode_step(), "no episode is under way: reset it first");
    return;
  }
  if (!one.Step(action, output.info + index * shape.info_size())) {
    Fail(index, one.episode_step(), one.error());
    return;
  }
  output.reward[index] = one.reward();
  output.terminated[index] = one.terminated() ? 1 : 0;
  output.truncated[index] = one.truncated() ? 1 : 0;
  output.diverged[index] = one.divergences();
  double* const obs = output.obs + index * shape.obs_size;
  std::copy(one.obs().begin(), one.obs().end(), obs);
  if (one.running() || !same_step) return;
  std::copy(one.obs().begin(), one.obs().end(), output.final_obs + index * shape.obs_size);
  ResetOne(index, obs, output.reset_info + index * shape.info_size());
}

bool Engine::ResetOne(std::int64_t index, double* obs, double* info) {
  Simulation& one = sim(index);
  if (!one.Reset(info)) {
    Fail(index, 0, one.error());
    return false;
  }
  std::copy(one.obs().begin(), one.obs().end(), obs);
  return true;
}

void Engine::Run(std::int64_t count, const std::function<void(std::int64_t)>& job,
                 const std::function<void()>& watch) {
  const LogHandler handler;
  const TimersOff timers;
  failures_.clear();
  pool_.Run(count, job, watch);
  if (failures_.empty()) return;
  // in the order of the simulations, not of the threads
  std::sort(failures_.begin(), failures_.end(),
            [](const Failure& a, const Failure& b) { return a.sim < b.sim; });
  throw SimulationError(failures_);
}

void Engine::Fail(std::int64_t sim, std::int64_t episode_step, std::string text) {
  Fail({sim, "simulation " + std::to_string(sim), episode_step, std::move(text)});
}

void Engine::Fail(Failure failure) {
  const std::lock_guard<std::mutex> lock(failures_mutex_);
  failures_.push_back(std::move(failure));
}

}  // namespace td7
