#include "rollout/rollouts.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "policy/exploration.h"

namespace td7 {
namespace {

// Between two looks at which simulations are ready: long beside a look, short beside an episode.
constexpr int kStepsAtOnce = 16;

bool AllFinite(const float* values, std::int64_t count) {
  return std::all_of(values, values + count, [](float value) { return std::isfinite(value); });
}

struct StopsUnlessTold {
  explicit StopsUnlessTold(std::atomic<bool>* stopped_flag) : stopped(stopped_flag) {}
  ~StopsUnlessTold() {
    if (!go_on) *stopped = true;
  }
  StopsUnlessTold(const StopsUnlessTold&) = delete;
  StopsUnlessTold& operator=(const StopsUnlessTold&) = delete;

  std::atomic<bool>* stopped;
  bool go_on = false;
};

// Keeps the simulations that `keep(place, sim)` says, in their order.
template <typename Keep>
void KeepIf(std::vector<std::int64_t>* sims, const Keep& keep) {
  std::size_t kept = 0;
  for (std::size_t place = 0; place < sims->size(); ++place) {
    const std::int64_t sim = (*sims)[place];
    if (keep(place, sim)) (*sims)[kept++] = sim;
  }
  sims->resize(kept);
}

std::uint64_t DrawCounter(std::int64_t sim_of_member, std::int64_t step) {
  return (static_cast<std::uint64_t>(sim_of_member) << 40) + static_cast<std::uint64_t>(step);
}

}  // namespace

Rollouts::Rollouts(std::shared_ptr<Engine> engine, std::vector<std::uint64_t> seeds, bool keep_rows)
    : engine_(std::move(engine)),
      seeds_(std::move(seeds)),
      states_(static_cast<std::size_t>(engine_->num_sims())),
      keep_rows_(keep_rows) {}

void Rollouts::Run(const std::vector<const Policy*>& policies,
                   const std::vector<std::int64_t>& most_steps,
                   const std::vector<Behaviour>& behaviours, float noise,
                   const std::function<bool()>& stop) {
  for (std::int64_t sim = 0; sim < engine_->num_sims(); ++sim) {
    state(sim).steps_left = most_steps[static_cast<std::size_t>(sim)];
  }
  std::vector<std::int64_t> most_rows;
  for (const Behaviour behaviour : behaviours) {
    most_rows.push_back(behaviour == Behaviour::kRandom ? 1 : PolicyScratch::kRows);
  }
  ReadyQueue queue(most_rows, engine_->num_threads());
  std::int64_t workers = 0;  // a thread more than simulations could only wait
  for (std::int64_t sim = 0; sim < engine_->num_sims(); ++sim) {
    if (state(sim).steps_left == 0 || episode(sim).ended) continue;
    queue.Add(sim / sims_per_member(), sim);
    if (workers < engine_->num_threads()) ++workers;
  }
  std::atomic<bool> stopped{false};
  const auto job = [&](std::int64_t) {
    Group group;
    while (queue.Take(&group)) {
      const auto taken = static_cast<std::int64_t>(group.sims.size());
      const auto member = static_cast<std::size_t>(group.member);
      try {
        RunGroup(&group, *policies[member], behaviours[member], noise, stopped);
      } catch (...) {
        queue.Return({group.member, {}}, taken);  // or the other threads would wait for them
        throw;
      }
      if (stopped) group.sims.clear();
      queue.Return(group, taken);
    }
  };
  const auto watch = [&] {
    // also if stop() does not return: it may throw, or its thread end
    StopsUnlessTold guard(&stopped);
    guard.go_on = !stop();
  };
  engine_->Run(workers, job, watch);
}

// Takes some steps with each of the group's simulations, and leaves those in it that go on.
void Rollouts::RunGroup(Group* group, const Policy& policy, Behaviour behaviour, float noise,
                        const std::atomic<bool>& stopped) {
  if (stopped.load(std::memory_order_relaxed)) return;
  std::vector<std::int64_t>& sims = group->sims;
  const std::int64_t obs_size = engine_->task().shape().obs_size;
  const auto size = static_cast<int>(engine_->model().nu);
  const std::int64_t action_size = size;
  const std::uint64_t seed = seeds_[static_cast<std::size_t>(group->member)];
  std::optional<PolicyScratch> scratch;
  if (behaviour != Behaviour::kRandom) scratch.emplace(policy.sizes());
  std::vector<float> obs(sims.size() * static_cast<std::size_t>(obs_size));
  std::vector<float> action(sims.size() * static_cast<std::size_t>(action_size));
  std::vector<float> env_action(action.size());
  KeepIf(&sims, [this](std::size_t, std::int64_t sim) {
    const Simulation& one = engine_->sim(sim);
    return (one.running() && one.moves() == state(sim).moves) || Start(sim);
  });
  for (int step = 0; step < kStepsAtOnce && !sims.empty(); ++step) {
    if (stopped.load(std::memory_order_relaxed)) return;
    const auto rows = static_cast<std::int64_t>(sims.size());
    for (std::int64_t row = 0; row < rows; ++row) {
      const EpisodeRows& now = episode(sims[static_cast<std::size_t>(row)]);
      std::copy(now.obs.end() - obs_size, now.obs.end(), obs.begin() + row * obs_size);
    }
    if (scratch) {
      policy.Normalised(obs.data(), static_cast<int>(rows), &*scratch, action.data());
    }
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t sim = sims[static_cast<std::size_t>(row)];
      const std::uint64_t counter = DrawCounter(sim % sims_per_member(), state(sim).steps);
      float* const chosen = action.data() + row * action_size;
      if (behaviour == Behaviour::kExplore) Explore(seed, counter, noise, chosen, size, chosen);
      if (behaviour == Behaviour::kRandom) WarmupAction(seed, counter, size, chosen);
    }
    policy.ToEnv(action.data(), static_cast<int>(rows), env_action.data());
    KeepIf(&sims, [&](std::size_t row, std::int64_t sim) {
      const std::size_t from = row * static_cast<std::size_t>(action_size);
      return Step(sim, &action[from], &env_action[from]);
    });
  }
}

bool Rollouts::Start(std::int64_t sim) {
  Clear(sim);
  state(sim).began = engine_->sim(sim).random_state();
  if (!engine_->sim(sim).Reset()) {
    Fail(sim, engine_->sim(sim).error());
    return false;
  }
  if (!AppendObs(sim)) return false;
  state(sim).moves = engine_->sim(sim).moves();
  return true;
}

// Takes one step and keeps its row; returns whether the simulation is to go on in this Run.
bool Rollouts::Step(std::int64_t sim, const float* action, const float* env_action) {
  Simulation& one = engine_->sim(sim);
  State& now = state(sim);
  EpisodeRows& episode = now.episode;
  const std::int64_t size = engine_->model().nu;
  const char* fault = nullptr;
  const bool acts = AllFinite(env_action, size);
  if (!acts) {
    fault = "the policy's action must be finite";
  } else if (!one.Step(env_action)) {
    fault = one.error().c_str();
  } else if (one.divergences() > 0) {
    fault = "MuJoCo met a bad position, velocity or acceleration and reset the state";
  } else if (!std::isfinite(static_cast<float>(one.reward()))) {
    fault = "the environment's reward must be finite";
  }
  if (fault != nullptr) {
    Fail(sim, fault, acts ? 0 : 1);
    return false;
  }
  if (!AppendObs(sim)) return false;
  if (keep_rows_) {
    episode.action.insert(episode.action.end(), action, action + size);
    episode.reward.push_back(static_cast<float>(one.reward()));
  }
  ++now.steps;
  --now.steps_left;
  episode.episode_return += one.reward();
  ++episode.length;
  episode.terminated = one.terminated();
  episode.ended = !one.running();
  now.moves = one.moves();
  return !episode.ended && now.steps_left > 0;
}

// Appends the observation to the rows, or replaces the last one where rows are not kept.
bool Rollouts::AppendObs(std::int64_t sim) {
  const std::vector<double>& obs = engine_->sim(sim).obs();
  std::vector<float>& rows = state(sim).episode.obs;
  if (!keep_rows_) rows.clear();
  const std::size_t before = rows.size();
  for (const double value : obs) rows.push_back(static_cast<float>(value));
  if (AllFinite(&rows[before], static_cast<std::int64_t>(obs.size()))) return true;
  rows.resize(before);
  Fail(sim, "the environment's observation must be finite");
  return false;
}

void Rollouts::Fail(std::int64_t sim, std::string text, std::int64_t steps_ahead) {
  Simulation& one = engine_->sim(sim);
  one.Stop();
  const std::uint64_t seed = seeds_[static_cast<std::size_t>(sim / sims_per_member())];
  const std::string name =
      "seed " + std::to_string(seed) + ", simulation " + std::to_string(sim % sims_per_member());
  engine_->Fail({sim, name, one.episode_step() + steps_ahead, std::move(text)});
}

void Rollouts::Store(std::int64_t sim, LapReplay* replay) {
  if (!keep_rows_) throw std::invalid_argument("these rollouts keep no rows to store");
  EpisodeRows& rows = state(sim).episode;
  const std::int64_t member = sim / sims_per_member();
  const std::int64_t stream = sim % sims_per_member();
  const std::int64_t obs_size = engine_->task().shape().obs_size;
  const std::int64_t action_size = engine_->model().nu;
  if (rows.ended && rows.stored == 0 && rows.length <= replay->config().capacity) {
    replay->AddEpisode(member, stream,
                       {rows.length, rows.obs.data(), rows.action.data(), rows.reward.data()},
                       rows.terminated);
    rows.stored = rows.length;
  }
  for (; rows.stored < rows.length; ++rows.stored) {
    const bool last = rows.ended && rows.stored + 1 == rows.length;
    const float* const obs = rows.obs.data() + rows.stored * obs_size;
    replay->AddStep(member, stream, obs, rows.action.data() + rows.stored * action_size,
                    rows.reward[static_cast<std::size_t>(rows.stored)], obs + obs_size,
                    last && rows.terminated, last && !rows.terminated);
  }
}

void Rollouts::Clear(std::int64_t sim) {
  EpisodeRows& rows = state(sim).episode;
  rows.obs.clear();  // keeps the memory
  rows.action.clear();
  rows.reward.clear();
  rows.episode_return = 0.0;
  rows.length = rows.stored = 0;
  rows.terminated = rows.ended = false;
  engine_->sim(sim).Stop();
}

const Pcg64State& Rollouts::began(std::int64_t sim) const {
  const bool under_way = !episode(sim).obs.empty();
  return under_way ? state(sim).began : engine_->sim(sim).random_state();
}

void Rollouts::Repeat(std::int64_t sim, const Policy& policy, const float* actions,
                      std::int64_t steps, std::int64_t stored) {
  const std::int64_t size = engine_->model().nu;
  state(sim).steps_left = steps;
  const auto job = [&](std::int64_t) {
    if (!Start(sim)) return;
    std::vector<float> env_action(static_cast<std::size_t>(size));
    for (std::int64_t step = 0; step < steps; ++step) {
      const float* const action = actions + step * size;
      policy.ToEnv(action, 1, env_action.data());
      if (!Step(sim, action, env_action.data())) break;
    }
  };
  engine_->Run(1, job, [] {});
  state(sim).episode.stored = std::min(stored, episode(sim).length);
}

}  // namespace td7
