// replay/lap_replay.h under threads, and the const methods of a buffer that may run together: for
// ThreadSanitizer to see. Exits with 0 if all claims hold.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "random/philox.h"
#include "replay/lap_buffer.h"
#include "replay/lap_replay.h"

namespace td7 {
namespace {

constexpr std::int64_t kMembers = 2;
constexpr std::size_t kThreads = 4;

LapConfig Config() {
  LapConfig config;
  config.capacity = 300;
  config.obs_size = 1;
  config.action_size = 1;
  config.streams = 2;
  return config;
}

struct Batch {
  explicit Batch(std::size_t n)
      : obs(n), action(n), reward(n), next_obs(n), not_terminated(n), index(n) {}
  SampleOutput output() {
    return {obs.data(),   action.data(), reward.data(), next_obs.data(), not_terminated.data(),
            index.data(), nullptr};
  }
  std::vector<float> obs, action, reward, next_obs, not_terminated;
  std::vector<std::int64_t> index;
};

// Runs job(0) .. job(kThreads - 1), each on a thread of its own.
template <typename Job>
void Together(const Job& job) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) threads.emplace_back(job, i);
  for (std::thread& thread : threads) thread.join();
}

void Write(LapReplay* replay, std::int64_t member, std::int64_t stream) {
  for (int number = 0; number < 2000; ++number) {
    const auto obs = static_cast<float>(number);
    const float next_obs = obs + 1.0F;
    replay->AddStep(member, stream, &obs, &obs, obs, &next_obs, number % 50 == 49, false);
  }
}

// True if every batch was whole. Priorities: an index may have been evicted since.
bool ReadAndUpdate(LapReplay* replay) {
  constexpr std::size_t kRows = 32;
  bool whole = true;
  for (int round = 0; round < 200; ++round) {
    Batch batch(kMembers * kRows);
    replay->Sample({0, 1}, kRows, batch.output());
    for (std::size_t b = 0; b < batch.reward.size(); ++b) {
      whole = whole && batch.obs[b] == batch.reward[b] && batch.next_obs[b] == batch.obs[b] + 1.0F;
    }
    const std::vector<float> errors(batch.index.size(), static_cast<float>(round));
    try {
      replay->UpdatePriorities({0, 1}, batch.index.data(), errors.data(), kRows);
    } catch (const std::out_of_range&) {
      continue;
    }
    replay->ResetMaxPriority({1, 0});
  }
  return whole;
}

void ThreadsShareAReplay(const std::string& path) {
  LapReplay replay(Config(), {3, 4});
  Write(&replay, 0, 0);
  Write(&replay, 1, 0);
  std::atomic<bool> whole{true};
  Together([&](std::size_t i) {
    if (i < 2) Write(&replay, static_cast<std::int64_t>(i), 1);
    if (i >= 2 && !ReadAndUpdate(&replay)) whole = false;
    for (int round = 0; round < 20; ++round) {
      replay.Get(0, [](const LapBuffer& buffer) { return buffer.size(); });
      replay.CommittedBytes();
    }
    if (i == 0) replay.Save(path, {});
    if (i == 3) replay.EndEpisode(1, 0);
  });
  CHECK(whole);
  for (std::int64_t member = 0; member < kMembers; ++member) {
    CHECK(replay.Get(member, [](const LapBuffer& buffer) { return buffer.StateIsSound(); }));
    CHECK(replay.Get(member, [](const LapBuffer& buffer) { return buffer.size(); }) == 300);
  }
  replay.Load(path);
  std::remove(path.c_str());
}

// Everything that const methods of a buffer give, in one number.
double Look(const LapBuffer& buffer) {
  double sum = static_cast<double>(buffer.size()) + static_cast<double>(buffer.max_priority());
  const SumTree& tree = buffer.tree();
  std::vector<std::int64_t> slots(64);
  tree.Draw(PhiloxStream(1, 2, 3), 0, slots.size(), slots.data());
  const std::vector<float> errors(slots.size(), 1.0F);
  buffer.CheckSample(64);
  buffer.CheckUpdate(slots.data(), errors.data(), 64);
  for (const std::int64_t slot : slots) {
    sum += static_cast<double>(slot) + static_cast<double>(buffer.Priority(slot)) +
           tree.PathProbability(slot);
  }
  return sum + tree.Total() + static_cast<double>(tree.MaxWeight()) +
         static_cast<double>(buffer.CommittedBytes()) + (buffer.StateIsSound() ? 1.0 : 0.0);
}

void ConstMethodsRunTogether() {
  LapReplay replay(Config(), {5});
  Write(&replay, 0, 0);
  replay.Get(0, [](const LapBuffer& buffer) {
    const double alone = Look(buffer);
    std::vector<double> seen(kThreads, 0.0);
    Together([&](std::size_t i) {
      for (int round = 0; round < 20; ++round) seen[i] = Look(buffer);
    });
    for (const double sum : seen) CHECK(sum == alone);
    return 0;
  });
}

void ALoadAndAClearMakeEarlierDrawsStale(const std::string& path) {
  constexpr std::int64_t kRows = 16;
  LapReplay replay(Config(), {5, 6});
  Write(&replay, 0, 0);
  Write(&replay, 1, 0);
  Batch batch(kMembers * kRows);
  const std::vector<float> errors(kMembers * kRows, 1.0F);
  std::vector<std::int64_t> drawn_at(kMembers);
  const auto late = [&] {
    return replay.UpdatePriorities({1, 0}, batch.index.data(), errors.data(), kRows,
                                   drawn_at.data());
  };
  replay.Sample({1, 0}, kRows, batch.output(), drawn_at.data());
  CHECK(late() == 0);
  replay.Clear({1});
  CHECK(late() == kRows);
  Write(&replay, 1, 0);
  CHECK(late() == kRows);
  CHECK(replay.Get(1, [](const LapBuffer& buffer) { return buffer.draw_counter(); }) == 1);
  replay.Save(path, {});
  replay.Sample({1, 0}, kRows, batch.output(), drawn_at.data());
  CHECK(late() == 0);
  replay.Load(path);
  CHECK(late() == kMembers * kRows);
  replay.Sample({1, 0}, kRows, batch.output(), drawn_at.data());
  CHECK(late() == 0);
  std::remove(path.c_str());
}

void AMemberOutOfRangeOrNamedTwiceChangesNothing() {
  LapReplay replay(Config(), {5, 6});
  Write(&replay, 0, 0);
  Write(&replay, 1, 0);
  Batch batch(8);
  CHECK_THROWS(replay.Sample({0, 2}, 4, batch.output()), std::out_of_range, "members must be from");
  CHECK_THROWS(replay.Sample({1, 1}, 4, batch.output()), std::invalid_argument, "got 1 twice");
  CHECK_THROWS(replay.EndEpisode(-1, 0), std::out_of_range, "member must be from 0 to 1, got -1");
  CHECK_THROWS(LapReplay(Config(), {}), std::invalid_argument, "seeds must have at least one");
  CHECK(replay.Get(0, [](const LapBuffer& buffer) { return buffer.draw_counter(); }) == 0);
}

}  // namespace
}  // namespace td7

int main(int, char** arguments) {
  td7::ThreadsShareAReplay(std::string(arguments[0]) + ".saved");
  td7::ConstMethodsRunTogether();
  td7::ALoadAndAClearMakeEarlierDrawsStale(std::string(arguments[0]) + ".late");
  td7::AMemberOutOfRangeOrNamedTwiceChangesNothing();
  return failures == 0 ? 0 : 1;
}
