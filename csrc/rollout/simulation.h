// One simulation of a task: its mjData, its random numbers, its place in the episode.
//
//   seed -> Reset -> Step -> ... -> Step (terminated or truncated) -> Reset -> ...
//
// A failed call (MuJoCo raised an error) leaves error() and no mjData: the next call must be a
// Reset or a SetState. Threads: one at a time. REQUIRES: a LogHandler lives during Reset and Step;
// the task and the model outlive the simulation.
#ifndef TD7_ROLLOUT_SIMULATION_H_
#define TD7_ROLLOUT_SIMULATION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "rollout/guard.h"
#include "rollout/model.h"
#include "rollout/numpy_generator.h"
#include "rollout/task.h"

namespace td7 {

class Simulation {
 public:
  // Episodes are cut after max_episode_steps.
  Simulation(const mjModel& model, const Task& task, std::int64_t max_episode_steps);

  // Starts the random numbers anew: numpy's PCG64 in this state. Throws std::invalid_argument for
  // one that PCG64 cannot be in.
  void Seed(const Pcg64State& state);
  const Pcg64State& random_state() const { return random_.state(); }

  // Starts an episode: obs() is its first observation, and info the fields of a reset. False after
  // an error, and before the first Seed.
  bool Reset(double* info = nullptr);

  // Takes one step with a finite action. info [info_size] is filled unless null.
  // False after an error. REQUIRES: an episode is under way.
  bool Step(const Action& action, double* info = nullptr);

  // Puts the physics in a state, as Gymnasium's set_state does: qpos [nq], qvel [nv], mj_forward.
  // The episode under way, if any, goes on from there. False after an error.
  bool SetState(const double* qpos, const double* qvel);

  // Leaves the episode: the next call must be a Reset.
  void Stop() { running_ = false; }

  const std::vector<double>& obs() const { return obs_; }
  double reward() const { return outcome_.reward; }
  bool terminated() const { return outcome_.terminated; }
  bool truncated() const { return episode_step_ >= max_episode_steps_; }
  std::int64_t episode_step() const { return episode_step_; }
  // How many calls have changed the state: who remembers it knows whether others have made some.
  std::uint64_t moves() const { return moves_; }
  // Whether an episode is under way: reset, and neither ended nor failed.
  bool running() const { return running_; }

  // How often MuJoCo found a bad position, velocity or acceleration in the last step, and reset the
  // state because of it.
  int divergences() const { return divergences_; }

  // Of the last failed call.
  const std::string& error() const { return error_; }

  // The physics, for reading; null after a failed call.
  const mjData* data() const { return data_.get(); }

 private:
  bool Call(void (*function)(void*), void* argument);
  int BadStates() const;

  const mjModel& model_;
  const Task& task_;
  std::int64_t max_episode_steps_;
  Data data_;
  NumpyGenerator random_{Pcg64State{}};
  std::vector<double> obs_;
  std::vector<double> memory_;
  Outcome outcome_;
  std::int64_t episode_step_ = 0;
  int divergences_ = 0;
  std::uint64_t moves_ = 0;
  bool seeded_ = false;
  bool running_ = false;
  std::string error_;
};

}  // namespace td7

#endif  // TD7_ROLLOUT_SIMULATION_H_
