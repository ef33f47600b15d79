#include "replay/lap_checks.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

#include "replay/lap_buffer.h"
#include "replay/number_text.h"

namespace td7 {
namespace {

constexpr auto kMostDraws = static_cast<std::int64_t>(SumTree::kLevelStride);
constexpr int kMostNumbers = 1 << 20;  // of an observation or action
constexpr int kMostStreams = 1 << 20;

std::string Place(std::int64_t row, std::int64_t place) {
  if (place < 0) return "";
  return row < 0 ? "[" + NumberText(place) + "]"
                 : "[" + NumberText(row) + ", " + NumberText(place) + "]";
}

void CheckBetween(const char* name, std::int64_t value, std::int64_t most) {
  if (value >= 1 && value <= most) return;
  throw std::invalid_argument(std::string(name) + " must be from 1 to " + NumberText(most) +
                              ", got " + NumberText(value));
}

void CheckCount(const char* what, std::int64_t steps, std::int64_t capacity) {
  if (steps < 1) throw std::invalid_argument(std::string(what) + " must have at least one step");
  if (steps <= capacity) return;
  throw std::invalid_argument(std::string(what) + " of " + NumberText(steps) +
                              " steps is longer than the capacity of " + NumberText(capacity));
}

void CheckRows(const LapConfig& config, const Transitions& steps, std::size_t obs_rows) {
  const auto rows = static_cast<std::size_t>(steps.count);
  CheckFinite("obs", steps.obs, obs_rows, static_cast<std::size_t>(config.obs_size));
  CheckFinite("action", steps.action, rows, static_cast<std::size_t>(config.action_size));
  CheckFinite("reward", steps.reward, 0, rows);
}

}  // namespace

// The exponent of an infinity or NaN is all ones; integer operations let the compiler use vectors.
bool AllFinite(const float* values, std::size_t n) {
  std::uint32_t bad = 0;
  for (std::size_t i = 0; i < n; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, values + i, sizeof bits);
    bad |= static_cast<std::uint32_t>((bits & 0x7F800000U) == 0x7F800000U);
  }
  return bad == 0;
}

const LapConfig& CheckConfig(const LapConfig& config) {
  CheckBetween("capacity", config.capacity, SumTree::kMaxSlots);
  CheckBetween("obs_size", config.obs_size, kMostNumbers);
  CheckBetween("action_size", config.action_size, kMostNumbers);
  CheckBetween("streams", config.streams, kMostStreams);
  if (!(config.alpha >= 0.0 && config.alpha <= 1.0)) {
    throw std::invalid_argument("alpha must be in [0, 1], got " + NumberText(config.alpha));
  }
  const double floor = std::pow(config.min_priority, config.alpha);
  const bool fits = floor >= double{SumTree::kMinWeight} && floor <= double{SumTree::kMaxWeight};
  if (!(config.min_priority > 0.0 && std::isnormal(config.min_priority) && fits)) {
    throw std::invalid_argument(
        "min_priority must be positive (from 2^-1022), its power alpha from 2^-96 to 2^96, got " +
        NumberText(config.min_priority));
  }
  return config;
}

void CheckSlots(std::int64_t capacity, int streams, std::int64_t slots) {
  if (slots <= SumTree::kMaxSlots) return;
  throw std::invalid_argument(
      "capacity = " + NumberText(capacity) + " with streams = " + NumberText(streams) + " needs " +
      NumberText(slots) + " slots, more than " + NumberText(SumTree::kMaxSlots));
}

void CheckStreams(std::int64_t first, std::int64_t rows, std::int64_t streams) {
  CheckIndex("stream", first, streams);
  if (rows <= streams - first) return;
  throw std::invalid_argument("obs must have at most " + NumberText(streams - first) +
                              " rows, one for each stream from stream " + NumberText(first) +
                              " on, got " + NumberText(rows) +
                              ": make the replay with streams = " + NumberText(first + rows));
}

void CheckIndex(const char* name, std::int64_t value, std::int64_t end) {
  if (value >= 0 && value < end) return;
  throw std::out_of_range(std::string(name) + " must be from 0 to " + NumberText(end - 1) +
                          ", got " + NumberText(value));
}

void CheckFinite(const char* name, const float* values, std::size_t rows, std::size_t columns) {
  const std::size_t n = std::max<std::size_t>(rows, 1) * std::max<std::size_t>(columns, 1);
  if (AllFinite(values, n)) return;
  const float* bad = std::find_if(values, values + n, [](float x) { return !std::isfinite(x); });
  const std::int64_t place = bad - values;
  const auto width = static_cast<std::int64_t>(columns);
  const std::string where = columns == 0 ? Place(-1, -1)
                            : rows == 0  ? Place(-1, place)
                                         : Place(place / width, place % width);
  throw std::invalid_argument(std::string(name) + where + " must be finite, got " +
                              NumberText(*bad));
}

void CheckStep(const LapConfig& config, const float* obs, const float* action, float reward,
               const float* next_obs) {
  const auto obs_size = static_cast<std::size_t>(config.obs_size);
  CheckFinite("obs", obs, 0, obs_size);
  CheckFinite("action", action, 0, static_cast<std::size_t>(config.action_size));
  CheckFinite("reward", &reward, 0, 0);
  CheckFinite("next_obs", next_obs, 0, obs_size);
}

void CheckEpisode(const LapConfig& config, const Transitions& steps) {
  CheckCount("an episode", steps.count, config.capacity);
  CheckRows(config, steps, static_cast<std::size_t>(steps.count) + 1);
}

void CheckTransitions(const LapConfig& config, const Transitions& steps, const float* next_obs) {
  CheckCount("a block of transitions", steps.count, config.capacity);
  const auto rows = static_cast<std::size_t>(steps.count);
  CheckRows(config, steps, rows);
  CheckFinite("next_obs", next_obs, rows, static_cast<std::size_t>(config.obs_size));
}

void CheckDistinct(const std::vector<std::int64_t>& members, std::int64_t end) {
  std::vector<bool> seen(static_cast<std::size_t>(end), false);
  for (const std::int64_t member : members) {
    CheckIndex("members", member, end);
    if (seen[static_cast<std::size_t>(member)]) {
      throw std::invalid_argument("members must be distinct, got " + NumberText(member) + " twice");
    }
    seen[static_cast<std::size_t>(member)] = true;
  }
}

void CheckDraw(std::int64_t n, std::int64_t live) {
  CheckBetween("batch_size", n, kMostDraws);
  if (live == 0) throw std::invalid_argument("cannot sample: the buffer holds no transition");
}

void ThrowDeadIndex(std::int64_t row, std::int64_t place, std::int64_t index, std::int64_t used) {
  const std::string what = "index" + Place(row, place) + " = " + NumberText(index);
  if (index >= 0 && index < used) throw std::out_of_range(what + " holds no transition");
  throw std::out_of_range(what + " is out of range: " + NumberText(used) + " slots are in use");
}

void ThrowNoSlot(std::int64_t row, std::int64_t place, std::int64_t index, std::int64_t slots) {
  throw std::out_of_range("index" + Place(row, place) + " must be from 0 to " +
                          NumberText(slots - 1) + ", got " + NumberText(index));
}

void ThrowBadError(std::int64_t row, std::int64_t place, float error) {
  const std::string what = "td_error" + Place(row, place) + " = " + NumberText(error);
  if (error >= 0.0F && std::isfinite(error)) {
    throw std::invalid_argument(what + " is too large: its priority exceeds 2^96");
  }
  throw std::invalid_argument(what + " must be finite and not negative");
}

}  // namespace td7
