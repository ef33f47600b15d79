// Saved replays that have a history, for fuzz_replay_state.cc to alter; and what may be done with
// any replay.
#ifndef TD7_TESTS_CPP_REPLAY_CASES_H_
#define TD7_TESTS_CPP_REPLAY_CASES_H_

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "replay/lap_buffer.h"
#include "replay/lap_state.h"
#include "replay_mutations.h"

namespace td7 {

// A saved state, whole.
struct Case {
  std::vector<LapConfig> configs;
  bool in_pieces;
  std::string path;  // where it is put for LoadMembers
  std::string file;
  std::map<std::string, std::string> pieces;  // by name
};

inline std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void Write(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

struct Batch {
  Batch(std::size_t n, const LapConfig& config)
      : obs(n * Size(config.obs_size)),
        action(n * Size(config.action_size)),
        reward(n),
        next_obs(obs.size()),
        not_terminated(n),
        index(n),
        probability(n) {}
  static std::size_t Size(int size) { return static_cast<std::size_t>(size); }
  SampleOutput output() {
    return {obs.data(),   action.data(),     reward.data(), next_obs.data(), not_terminated.data(),
            index.data(), probability.data()};
  }
  bool Finite() const {
    const auto finite = [](const std::vector<float>& values) {
      return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
    };
    return finite(obs) && finite(action) && finite(reward) && finite(next_obs);
  }
  std::vector<float> obs, action, reward, next_obs, not_terminated;
  std::vector<std::int64_t> index;
  std::vector<double> probability;
};

inline void AddSomething(LapBuffer* buffer, Dice* dice) {
  const LapConfig& config = buffer->config();
  const std::int64_t stream = dice->Below(config.streams);
  const std::int64_t steps = 1 + dice->Below(std::min<std::int64_t>(config.capacity, 40));
  Batch batch(static_cast<std::size_t>(steps) + 1, config);
  std::fill(batch.obs.begin(), batch.obs.end(), static_cast<float>(dice->Below(3)));
  const Transitions all{steps, batch.obs.data(), batch.action.data(), batch.reward.data()};
  const std::vector<std::uint8_t> flags(static_cast<std::size_t>(steps), 0);
  switch (dice->Below(4)) {
    case 0:
      return buffer->AddEpisode(stream, all, dice->Below(2) == 0);
    case 1:
      return buffer->AddTransitions(stream, all, batch.next_obs.data(), flags.data(), flags.data());
    case 2:
      return buffer->EndEpisode(stream);
    default:
      buffer->AddStep(stream, batch.obs.data(), batch.action.data(), 1.0F, batch.obs.data(),
                      dice->Below(4) == 0, dice->Below(4) == 0);
  }
}

// Draws and sets priorities; throws std::logic_error if what was drawn is not what may be.
inline void Draw(LapBuffer* buffer, Dice* dice) {
  if (buffer->size() == 0) return;
  Batch batch(8, buffer->config());
  buffer->Sample(8, batch.output());
  if (!batch.Finite()) throw std::logic_error("what was drawn is not finite");
  std::vector<float> errors(8);
  for (float& error : errors) error = static_cast<float>(dice->Below(1000)) / 100.0F;
  buffer->UpdatePriorities(batch.index.data(), errors.data(), 8);
  if (dice->Below(4) == 0) buffer->ResetMaxPriority();
}

inline LapConfig RandomConfig(Dice* dice, const std::string& folder) {
  LapConfig config;
  config.capacity = std::array<std::int64_t, 6>{1, 5, 17, 40, 120, 300}[dice->Place(6)];
  config.streams = std::array<int, 4>{1, 2, 3, 7}[dice->Place(4)];
  config.obs_size = static_cast<int>(1 + dice->Below(4));
  config.action_size = static_cast<int>(1 + dice->Below(2));
  config.alpha = std::array<double, 3>{0.4, 0.0, 1.0}[dice->Place(3)];
  if (dice->Below(16) == 0) config.scratch_dir = folder;
  return config;
}

inline Case MakeCase(std::int64_t number, std::uint64_t seed, const std::string& folder) {
  Dice dice(seed, static_cast<std::uint64_t>(number));
  LapConfig config = RandomConfig(&dice, folder);
  const bool wide = number % 16 == 15;  // several pieces, of 16 rows each
  if (wide) {
    config.capacity = 20;
    config.obs_size = 30'000;
  }
  std::vector<LapBuffer> members;
  Case made{{}, wide || number % 2 == 0, folder + "/case-" + std::to_string(number), "", {}};
  for (std::int64_t member = 0; member <= (wide ? 0 : dice.Below(2)); ++member) {
    config.seed = static_cast<std::uint64_t>(dice.Below(3));
    made.configs.push_back(config);
    members.emplace_back(config);
    const std::int64_t calls = std::array<std::int64_t, 4>{0, 1, 10, 60}[dice.Place(4)];
    for (std::int64_t call = 0; call < (wide ? 6 : calls); ++call) {
      AddSomething(&members.back(), &dice);
      Draw(&members.back(), &dice);
    }
  }
  SaveMembers(made.path, {made.in_pieces, ""}, &members);
  made.file = Read(made.path);
  if (!made.in_pieces) return made;
  for (const auto& piece : std::filesystem::directory_iterator(made.path + ".rows")) {
    made.pieces[piece.path().filename().string()] = Read(piece.path().string());
  }
  return made;
}

}  // namespace td7

#endif  // TD7_TESTS_CPP_REPLAY_CASES_H_
