// rollout/engine and rollout/rollouts on threads: results do not depend on their number, errors
// stay with their simulation, engines on several threads share MuJoCo's handler. Exits with 0 if
// all claims hold; ThreadSanitizer sees the rest.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"
#include "policy/policy.h"
#include "replay/lap_replay.h"
#include "rollout/engine.h"
#include "rollout/rollouts.h"
#include "rollout/tasks/registry.h"

namespace td7 {
namespace {

constexpr std::int64_t kEpisodeSteps = 40;

// A hopper with `memory` for its contacts, in a file that is gone with the object.
class HopperFile {
 public:
  explicit HopperFile(const std::string& memory) {
    static std::atomic<int> made{0};
    const std::string name =
        "td7_hopper_" + std::to_string(getpid()) + "_" + std::to_string(++made);
    path_ = (std::filesystem::temp_directory_path() / (name + ".xml")).string();
    const std::string xml = "<mujoco><size memory='" + memory + R"('/>
      <option timestep="0.002" integrator="RK4"/>
      <worldbody><geom type="plane" size="20 20 .1"/>
        <body name="torso" pos="0 0 1.25">
          <joint type="slide" axis="1 0 0" pos="0 0 -1.25"/>
          <joint type="slide" axis="0 0 1" pos="0 0 -1.25" ref="1.25"/>
          <joint type="hinge" axis="0 1 0"/>
          <geom type="capsule" size=".05" fromto="0 0 .2 0 0 -.2"/>
          <body pos="0 0 -.2"><joint name="thigh" type="hinge" axis="0 -1 0"/>
            <geom type="capsule" size=".05" fromto="0 0 0 0 0 -.45"/>
            <body pos="0 0 -.45"><joint name="leg" type="hinge" axis="0 -1 0"/>
              <geom type="capsule" size=".04" fromto="0 0 0 0 0 -.5"/>
              <body pos="0 0 -.5"><joint name="foot" type="hinge" axis="0 -1 0"/>
                <geom type="capsule" size=".06" fromto="-.13 0 0 .26 0 0"/>
              </body></body></body></body></worldbody>
      <actuator><motor joint="thigh" ctrlrange="-1 1" gear="200"/>
        <motor joint="leg" ctrlrange="-1 1" gear="200"/>
        <motor joint="foot" ctrlrange="-1 1" gear="200"/></actuator></mujoco>)";
    std::FILE* file = std::fopen(path_.c_str(), "w");
    CHECK(file != nullptr && std::fputs(xml.c_str(), file) >= 0);
    std::fclose(file);
  }
  ~HopperFile() { std::remove(path_.c_str()); }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::shared_ptr<Engine> MakeEngine(const std::string& path, std::int64_t sims, int threads,
                                   std::int64_t episode_steps = kEpisodeSteps) {
  const TaskArgs args{{"frame_skip", std::int64_t{4}},
                      {"forward_reward_weight", 1.0},
                      {"ctrl_cost_weight", 1e-3},
                      {"healthy_reward", 1.0},
                      {"terminate_when_unhealthy", false},
                      {"healthy_state_range", Range(-100.0, 100.0)},
                      {"healthy_z_range", Range(0.7, INFINITY)},
                      {"healthy_angle_range", Range(-0.2, 0.2)},
                      {"reset_noise_scale", 5e-3},
                      {"exclude_current_positions_from_observation", true}};
  Model model = LoadModel(path);
  std::unique_ptr<Task> task = MakeTask("Hopper-v5", *model, args);
  auto engine =
      std::make_shared<Engine>(std::move(model), std::move(task), sims, threads, episode_steps);
  for (std::int64_t i = 0; i < sims; ++i) {
    engine->sim(i).Seed({0, static_cast<std::uint64_t>(i + 1), 0, 3, 0, 0});
  }
  return engine;
}

// A policy of small sizes whose weights are drawn; of the task's.
std::unique_ptr<Policy> MakePolicy(const Engine& engine, std::uint64_t seed) {
  const int obs = static_cast<int>(engine.task().shape().obs_size);
  const PolicySizes sizes{obs, 3, 16, 16, 16};
  std::vector<float> numbers(10'000);
  PhiloxStream(seed, StreamId("weights"), 0).FillNormal(numbers.size(), numbers.data());
  for (float& number : numbers) number *= 0.3F;
  const float* next = numbers.data();
  const auto layer = [&next](int inputs, int outputs) {
    const LinearWeights weights{next, next + inputs * outputs};
    next += inputs * outputs + outputs;
    return weights;
  };
  const float low[] = {-1.0F, -1.0F, -1.0F};
  const float high[] = {1.0F, 1.0F, 1.0F};
  auto policy = std::make_unique<Policy>(sizes, Precision::kFloat32);
  policy->Load({layer(obs, 16), layer(16, 16), layer(16, 16), layer(obs, 16), layer(32, 16),
                layer(16, 16), layer(16, 3), low, high});
  return policy;
}

std::vector<double> Collect(const std::string& path, int threads) {
  const std::shared_ptr<Engine> engine = MakeEngine(path, 10, threads);
  Rollouts rollouts(engine, {7, 9}, true);
  const auto one = MakePolicy(*engine, 1);
  const auto other = MakePolicy(*engine, 2);
  LapConfig config;
  config.capacity = 1000;
  config.obs_size = static_cast<int>(engine->task().shape().obs_size);
  config.action_size = 3;
  config.streams = 5;
  LapReplay replay(config, {7, 9});
  std::vector<double> seen;
  for (const std::int64_t most : {30, 30, 30}) {
    rollouts.Run({one.get(), other.get()}, std::vector<std::int64_t>(10, most),
                 {Behaviour::kExplore, Behaviour::kRandom}, 0.1F, [] { return false; });
    for (std::int64_t sim = 0; sim < 10; ++sim) {
      const EpisodeRows& rows = rollouts.episode(sim);
      seen.push_back(rows.episode_return);
      seen.insert(seen.end(), rows.obs.begin(), rows.obs.end());
      seen.insert(seen.end(), rows.action.begin(), rows.action.end());
      rollouts.Store(sim, &replay);
      if (rows.ended) rollouts.Clear(sim);
    }
  }
  const auto size = [](const LapBuffer& buffer) { return buffer.size(); };
  CHECK(replay.Get(0, size) + replay.Get(1, size) == 10 * (30 + 10 + 30));
  return seen;
}

// A vector environment's use: every simulation stepped by its own action, episodes started anew.
std::vector<double> StepAll(const std::string& path, int threads) {
  const std::shared_ptr<Engine> engine = MakeEngine(path, 5, threads);
  const auto obs_size = static_cast<std::size_t>(engine->task().shape().obs_size);
  const auto info_size = static_cast<std::size_t>(engine->task().shape().info_size());
  std::vector<double> obs(5 * obs_size), reward(5), final_obs(5 * obs_size), info(5 * info_size);
  std::vector<double> reset_info(5 * info_size), seen;
  std::vector<std::uint8_t> terminated(5), truncated(5), reset_first(5);
  std::vector<std::int32_t> diverged(5);
  engine->Reset({0, 1, 2, 3, 4}, obs.data(), reset_info.data());
  std::vector<double> uniforms(15);
  std::vector<float> actions(15);
  for (std::uint64_t step = 0; step < 100; ++step) {
    PhiloxStream(1, StreamId("actions"), step).FillUniform(0, 15, uniforms.data());
    for (std::size_t i = 0; i < 15; ++i) actions[i] = static_cast<float>(2 * uniforms[i] - 1);
    engine->Step(actions.data(), reset_first.data(), true,
                 {obs.data(), reward.data(), terminated.data(), truncated.data(), final_obs.data(),
                  info.data(), reset_info.data(), diverged.data()});
    CHECK((truncated[0] != 0) == ((step + 1) % kEpisodeSteps == 0));
    seen.insert(seen.end(), obs.begin(), obs.end());
    seen.insert(seen.end(), reward.begin(), reward.end());
  }
  return seen;
}

void TestThreadsChangeNothing() {
  const HopperFile model("1M");
  const std::vector<double> collected = Collect(model.path(), 1);
  CHECK(collected == Collect(model.path(), 2));
  CHECK(collected == Collect(model.path(), 7));
  const std::vector<double> stepped = StepAll(model.path(), 1);
  CHECK(stepped == StepAll(model.path(), 3));
}

// Hoppers that fall raise errors where memory is short; those that have not fallen yet do not
// notice.
void TestErrorsStayWithTheirSimulation() {
  const HopperFile small("4K");
  const HopperFile large("1M");
  Rollouts rollouts(MakeEngine(small.path(), 12, 3), {7, 9}, true);
  Rollouts wanted(MakeEngine(large.path(), 12, 1), {7, 9}, true);
  const auto policy = MakePolicy(wanted.engine(), 1);
  // member 1 falls at half the speed of member 0
  const auto run = [&policy](Rollouts* of, int step) {
    std::vector<std::int64_t> most(12, 1);
    if (step % 2 == 1) std::fill(most.begin() + 6, most.end(), 0);
    of->Run({policy.get(), policy.get()}, most, {Behaviour::kExplore, Behaviour::kExplore}, 0.1F,
            [] { return false; });
  };
  std::string text;
  for (int step = 0; step < kEpisodeSteps && text.empty(); ++step) {
    run(&wanted, step);
    try {
      run(&rollouts, step);
    } catch (const SimulationError& error) {
      text = error.what();
    }
  }
  CHECK(text.find("mj_stackAlloc") != std::string::npos);
  CHECK(text.find("simulation") != std::string::npos);
  int unharmed = 0;
  for (std::int64_t sim = 0; sim < 12; ++sim) {
    const EpisodeRows& rows = rollouts.episode(sim);
    if (rows.length < wanted.episode(sim).length) continue;
    CHECK(rows.obs == wanted.episode(sim).obs && rows.action == wanted.episode(sim).action);
    ++unharmed;
  }
  CHECK(unharmed > 0 && unharmed < 12);
}

// Errors and runs of several engines at once, each with its own pool, under one log handler.
void TestEnginesRunSideBySide() {
  const HopperFile model("1M");
  const std::vector<double> wanted = StepAll(model.path(), 2);
  std::vector<std::thread> threads;
  std::vector<int> equal(3);
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      equal[static_cast<std::size_t>(i)] = StepAll(model.path(), 2) == wanted ? 1 : 0;
    });
  }
  threads.emplace_back(&TestErrorsStayWithTheirSimulation);
  for (std::thread& thread : threads) thread.join();
  CHECK(equal == std::vector<int>(3, 1));
}

void TestAStopEndsARunWithinAStep() {
  const HopperFile model("1M");
  const std::shared_ptr<Engine> engine = MakeEngine(model.path(), 4, 2, 100'000'000);
  Rollouts rollouts(engine, {7, 9}, false);
  const auto policy = MakePolicy(*engine, 1);
  int asked = 0;
  rollouts.Run({policy.get(), policy.get()}, std::vector<std::int64_t>(4, 100'000'000),
               {Behaviour::kExplore, Behaviour::kExplore}, 0.1F, [&asked] { return ++asked > 0; });
  CHECK(asked > 0);
  for (std::int64_t sim = 0; sim < 4; ++sim) {
    CHECK(!rollouts.episode(sim).ended && rollouts.episode(sim).length < 100'000'000);
  }
}

void TestAnEpisodeIsMadeAgainFromItsBeginningAndItsActions() {
  const HopperFile model("1M");
  const std::shared_ptr<Engine> engine = MakeEngine(model.path(), 4, 2);
  const std::shared_ptr<Engine> other = MakeEngine(model.path(), 4, 2);
  Rollouts wanted(engine, {7, 9}, true);
  Rollouts rollouts(other, {7, 9}, true);
  const auto policy = MakePolicy(*engine, 1);
  const auto run = [&policy](Rollouts* of, std::int64_t most) {
    of->Run({policy.get(), policy.get()}, std::vector<std::int64_t>(4, most),
            {Behaviour::kExplore, Behaviour::kExplore}, 0.1F, [] { return false; });
  };
  run(&wanted, 1000);  // to the end of the first episode
  for (std::int64_t sim = 0; sim < 4; ++sim) wanted.Clear(sim);
  run(&wanted, 17);
  for (std::int64_t sim = 0; sim < 4; ++sim) {
    const EpisodeRows& rows = wanted.episode(sim);
    const std::vector<float> actions = rows.action;
    rollouts.set_steps(sim, wanted.steps(sim) - rows.length);
    other->sim(sim).Seed(wanted.began(sim));
    rollouts.Repeat(sim, *policy, actions.data(), rows.length, 5);
    CHECK(rollouts.episode(sim).stored == 5 && rollouts.steps(sim) == wanted.steps(sim));
    CHECK(rollouts.episode(sim).obs == rows.obs && rollouts.episode(sim).length == 17);
    CHECK(rollouts.episode(sim).episode_return == rows.episode_return);
  }
  run(&wanted, 1000);
  run(&rollouts, 1000);
  for (std::int64_t sim = 0; sim < 4; ++sim) {
    CHECK(wanted.episode(sim).ended && rollouts.episode(sim).obs == wanted.episode(sim).obs);
    // more actions than the episode has steps: it ends where it ends
    std::vector<float> actions = wanted.episode(sim).action;
    actions.resize(actions.size() + 30);
    other->sim(sim).Seed(wanted.began(sim));
    rollouts.Repeat(sim, *policy, actions.data(), wanted.episode(sim).length + 10, 0);
    CHECK(rollouts.episode(sim).ended && rollouts.episode(sim).obs == wanted.episode(sim).obs);
  }
}

void TestJobsThatThrow() {
  WorkerPool pool(3);
  std::atomic<int> done{0};
  bool thrown = false;
  try {
    pool.Run(
        100,
        [&done](std::int64_t index) {
          ++done;
          if (index == 17) throw std::runtime_error("job 17");
        },
        [] {});
  } catch (const std::runtime_error& error) {
    thrown = std::string(error.what()) == "job 17";
  }
  CHECK(thrown && done == 100);
  pool.Run(0, [](std::int64_t) { CHECK(false); }, [] {});
}

// Without a watch, one thread's jobs run on the caller, whose rounding they neither use nor change.
void TestJobsOfOneThreadRunOnTheCaller() {
  const std::thread::id caller = std::this_thread::get_id();
  std::fesetround(FE_UPWARD);
  WorkerPool one(1);
  WorkerPool three(3);
  int done = 0;
  const auto job = [&](std::int64_t index) {
    CHECK(std::this_thread::get_id() == caller && std::fegetround() == FE_TONEAREST);
    ++done;
    if (index == 1) throw std::runtime_error("job 1");
  };
  bool thrown = false;
  try {
    one.Run(4, job, nullptr);
  } catch (const std::runtime_error& error) {
    thrown = std::string(error.what()) == "job 1";
  }
  CHECK(thrown && done == 4 && std::fegetround() == FE_UPWARD);
  three.Run(1, job, nullptr);
  CHECK(done == 5 && std::fegetround() == FE_UPWARD);
  std::fesetround(FE_TONEAREST);
  const auto elsewhere = [caller](std::int64_t) { CHECK(std::this_thread::get_id() != caller); };
  three.Run(4, elsewhere, nullptr);
  one.Run(4, elsewhere, [] {});
}

void TestModelsThatDoNotCompile() {
  std::string text;
  try {
    LoadModel("/no/such/file.xml");
  } catch (const std::invalid_argument& error) {
    text = error.what();
  }
  CHECK(text.find("/no/such/file.xml does not compile: ") == 0 && text.size() > 40);
}

}  // namespace
}  // namespace td7

int main() {
  td7::TestThreadsChangeNothing();
  td7::TestErrorsStayWithTheirSimulation();
  td7::TestEnginesRunSideBySide();
  td7::TestAStopEndsARunWithinAStep();
  td7::TestAnEpisodeIsMadeAgainFromItsBeginningAndItsActions();
  td7::TestJobsThatThrow();
  td7::TestJobsOfOneThreadRunOnTheCaller();
  td7::TestModelsThatDoNotCompile();
  return failures == 0 ? 0 : 1;
}
