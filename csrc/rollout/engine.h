// N simulations of one task on T threads of their own.
//
// What a simulation does depends on its seed and its actions, never on the number of threads or on
// the other simulations. An error stops the simulation it happens in; the others go on to the end
// of the call, which then throws SimulationError.
//
// Threads: one call at a time an object; calls on different engines may run at the same time.
#ifndef TD7_ROLLOUT_ENGINE_H_
#define TD7_ROLLOUT_ENGINE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "rollout/model.h"
#include "rollout/simulation.h"
#include "rollout/task.h"
#include "rollout/worker_pool.h"

namespace td7 {

// What went wrong in one simulation, which `name` says for people, and at which step of its episode
// (0: the reset).
struct Failure {
  std::int64_t sim;
  std::string name;
  std::int64_t episode_step;
  std::string text;
};

// Failures of a call; the text names each of the first few, with simulation and step.
class SimulationError : public std::runtime_error {
 public:
  // REQUIRES: failures is not empty and sorted by simulation.
  explicit SimulationError(const std::vector<Failure>& failures);
};

// Caller-owned outputs of a step, dense and row-major. Of a simulation that started an episode
// within the call, obs is its first observation and reset_info is filled.
struct StepOutput {
  double* obs;               // [N, S]
  double* reward;            // [N]
  std::uint8_t* terminated;  // [N]
  std::uint8_t* truncated;   // [N]
  double* final_obs;         // [N, S]: where an episode ended, its last observation
  double* info;              // [N, I]
  double* reset_info;        // [N, I]
  std::int32_t* diverged;    // [N]: bad states that MuJoCo met, and reset, within the step
};

class Engine {
 public:
  // REQUIRES: num_sims >= 1, num_threads >= 1, max_episode_steps >= 1.
  Engine(Model model, std::unique_ptr<Task> task, std::int64_t num_sims, int num_threads,
         std::int64_t max_episode_steps);

  const mjModel& model() const { return *model_; }
  const Task& task() const { return *task_; }
  std::int64_t num_sims() const { return static_cast<std::int64_t>(sims_.size()); }
  std::int64_t max_episode_steps() const { return max_episode_steps_; }
  int num_threads() const { return pool_.threads(); }
  // For callers on several threads: true during a call, set by whoever makes it.
  std::atomic<bool>& in_use() { return in_use_; }
  // Throws std::runtime_error in a process forked since the construction.
  void ExpectOwnProcess() const { pool_.ExpectOwnProcess(); }
  Simulation& sim(std::int64_t index) { return *sims_[static_cast<std::size_t>(index)]; }

  // Starts an episode in each of the simulations [n], distinct; row k of obs [n, S] and info [n, I]
  // is that of sims[k].
  void Reset(const std::vector<std::int64_t>& sims, double* obs, double* info);

  // Steps every simulation with its row of actions [N, nu], finite; where reset_first [N] is not 0
  // it starts an episode instead, with reward 0 (Gymnasium's NEXT_STEP). With same_step, a
  // simulation whose episode ends starts the next one within the call.
  void Step(const Action& actions, const std::uint8_t* reset_first, bool same_step,
            const StepOutput& output);

  // Does job(k), k = 0 ... count - 1, as WorkerPool::Run, and throws what jobs have reported with
  // Fail. Interface of rollouts.h.
  void Run(std::int64_t count, const std::function<void(std::int64_t)>& job,
           const std::function<void()>& watch);

  // Notes a failure; from within a job.
  void Fail(Failure failure);
  // Of a simulation that is known by its number alone.
  void Fail(std::int64_t sim, std::int64_t episode_step, std::string text);

 private:
  void StepOne(std::int64_t index, const Action& action, bool same_step, const StepOutput& output);
  bool ResetOne(std::int64_t index, double* obs, double* info);

  Model model_;
  std::unique_ptr<Task> task_;
  std::int64_t max_episode_steps_;
  std::vector<std::unique_ptr<Simulation>> sims_;
  std::atomic<bool> in_use_{false};
  std::mutex failures_mutex_;
  std::vector<Failure> failures_;
  WorkerPool pool_;  // last: its threads end first
};

}  // namespace td7

#endif  // TD7_ROLLOUT_ENGINE_H_
