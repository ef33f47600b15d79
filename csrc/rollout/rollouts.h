// Whole episodes under frozen policies: what a learner collects and what an evaluation runs.
//
//   policies -> Run -> episodes -> Store -> the replay's buffers
//
// The simulations belong to P members, N each: simulation p * N + i is the i-th of member p, whose
// policy chooses its every action. Those of a member are evaluated together, a row's action having
// the bits that it would have alone (policy/policy.h).
//
// An action is a pure function of the policy, the observation and, unless greedy, of the number t
// of steps that the simulation has taken in its life: its draws have the counter i * 2^40 + t of
// the streams "exploration" and "warmup" of the member's seed (policy/exploration.h).
//
// So an episode is a pure function of its beginning, the state of the simulation's generator then,
// and its actions: Repeat makes it again from these, however it came to be.
//
// An episode that has ended waits, its simulation resting, until it is taken with Clear; one that
// has not (a limit of steps, a stop) goes on at the next Run, unless somebody else has moved its
// simulation: then another one starts.
//
// Threads: one call at a time an object.
#ifndef TD7_ROLLOUT_ROLLOUTS_H_
#define TD7_ROLLOUT_ROLLOUTS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "policy/policy.h"
#include "replay/lap_replay.h"
#include "rollout/engine.h"
#include "rollout/ready_queue.h"

namespace td7 {

// How actions are chosen.
enum class Behaviour { kGreedy, kExplore, kRandom };

// The rows of an episode so far, float32 as the buffer keeps them, and its score.
struct EpisodeRows {
  std::vector<float> obs;     // [length + 1, S], the last row what followed the last step
  std::vector<float> action;  // [length, A], normalised to [-1, 1]
  std::vector<float> reward;  // [length]
  double episode_return = 0.0;
  std::int64_t length = 0;
  std::int64_t stored = 0;  // rows handed over
  bool terminated = false;
  bool ended = false;
};

class Rollouts {
 public:
  // keep_rows: whether episodes are to be stored. The number of simulations of the engine is a
  // multiple of that of the seeds.
  Rollouts(std::shared_ptr<Engine> engine, std::vector<std::uint64_t> seeds, bool keep_rows);

  std::int64_t members() const { return static_cast<std::int64_t>(seeds_.size()); }
  std::int64_t sims_per_member() const { return engine_->num_sims() / members(); }
  Engine& engine() { return *engine_; }

  // Runs each simulation s until its episode has ended or it has taken most_steps[s] steps; 0 lets
  // it rest. behaviours [P]; noise: standard deviation of kExplore's normal noise, in units of
  // [-1, 1]. stop() is asked now and then: true ends the call within a step of each simulation.
  // Throws SimulationError after the others have done their part: MuJoCo's errors, a bad state
  // within a step, an observation or reward that is not finite. The episode that fails keeps the
  // rows before the failure, and the next Run starts another one.
  // REQUIRES: policies [P], of the task's sizes.
  void Run(const std::vector<const Policy*>& policies, const std::vector<std::int64_t>& most_steps,
           const std::vector<Behaviour>& behaviours, float noise,
           const std::function<bool()>& stop);

  const EpisodeRows& episode(std::int64_t sim) const { return state(sim).episode; }

  // Steps that the simulation has taken in its life; may be set to go on with a saved run.
  std::int64_t steps(std::int64_t sim) const { return state(sim).steps; }
  void set_steps(std::int64_t sim, std::int64_t steps) { state(sim).steps = steps; }

  // Hands rows that are not handed over yet to the member's buffer, as stream i: an ended episode
  // in one piece, or step by step. Throws as LapReplay does, std::invalid_argument without
  // keep_rows.
  void Store(std::int64_t sim, LapReplay* replay);

  // Forgets the simulation's episode; the next Run starts another one.
  void Clear(std::int64_t sim);

  // The state of the simulation's generator when its episode began; what it is now if none has.
  const Pcg64State& began(std::int64_t sim) const;

  // Starts an episode and takes these normalised actions [steps, A], or those up to its end; the
  // first `stored` rows count as handed over. Throws SimulationError.
  void Repeat(std::int64_t sim, const Policy& policy, const float* actions, std::int64_t steps,
              std::int64_t stored);

 private:
  struct State {
    EpisodeRows episode;
    std::int64_t steps = 0;
    std::int64_t steps_left = 0;  // of this Run
    std::uint64_t moves = 0;      // of the simulation, when the last row was added
    Pcg64State began{};           // the generator's state when the episode began
  };

  const State& state(std::int64_t sim) const { return states_[static_cast<std::size_t>(sim)]; }
  State& state(std::int64_t sim) { return states_[static_cast<std::size_t>(sim)]; }
  void RunGroup(Group* group, const Policy& policy, Behaviour behaviour, float noise,
                const std::atomic<bool>& stopped);
  bool Start(std::int64_t sim);
  bool Step(std::int64_t sim, const float* action, const float* env_action);
  bool AppendObs(std::int64_t sim);
  // steps_ahead: 1 where the step that fails was not taken.
  void Fail(std::int64_t sim, std::string text, std::int64_t steps_ahead = 0);

  std::shared_ptr<Engine> engine_;
  std::vector<std::uint64_t> seeds_;
  std::vector<State> states_;
  bool keep_rows_;
};

}  // namespace td7

#endif  // TD7_ROLLOUT_ROLLOUTS_H_
