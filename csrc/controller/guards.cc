#include "controller/guards.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "NaN would pass the guards: compile without -ffinite-math-only and -ffast-math"
#endif

namespace td7 {
namespace {

void CheckSize(const std::vector<float>& numbers, std::size_t size, const char* name) {
  if (numbers.size() == size) return;
  throw std::invalid_argument(std::string(name) + " must have " + std::to_string(size) +
                              " numbers, got " + std::to_string(numbers.size()));
}

void CheckSettings(const GuardSettings& settings) {
  const std::size_t size = settings.low.size();
  CheckSize(settings.high, size, "high");
  for (std::size_t i = 0; i < size; ++i) {
    // also false of NaN
    if (std::isfinite(settings.low[i]) && std::isfinite(settings.high[i]) &&
        settings.low[i] <= settings.high[i]) {
      continue;
    }
    throw std::invalid_argument("low and high must be finite, low not above high, at entry " +
                                std::to_string(i));
  }
  if (settings.obs_size < 0) throw std::invalid_argument("obs_size must be at least 0");
  if (!settings.obs_low.empty() || !settings.obs_high.empty()) {
    CheckSize(settings.obs_low, static_cast<std::size_t>(settings.obs_size), "obs_low");
    CheckSize(settings.obs_high, static_cast<std::size_t>(settings.obs_size), "obs_high");
  }
  if (settings.stale_ns < 0) throw std::invalid_argument("stale_ns must be at least 0");
  if (settings.hold < 0) throw std::invalid_argument("hold must be at least 0");
  if (!(settings.max_step >= 0.0)) throw std::invalid_argument("max_step must be at least 0");
}

std::vector<float> SafeAction(const GuardSettings& settings) {
  const std::size_t size = settings.low.size();
  std::vector<float> safe = settings.safe;
  if (safe.empty()) {
    for (std::size_t i = 0; i < size; ++i) {
      safe.push_back(std::clamp(0.0f, settings.low[i], settings.high[i]));
    }
    return safe;
  }
  CheckSize(safe, size, "safe");
  for (std::size_t i = 0; i < size; ++i) {
    if (settings.low[i] <= safe[i] && safe[i] <= settings.high[i]) continue;
    throw std::invalid_argument("safe must be within the bounds, got " + std::to_string(safe[i]) +
                                " at entry " + std::to_string(i));
  }
  return safe;
}

// The first that is NaN or infinite, or -1.
int FirstNotFinite(const float* numbers, std::size_t size) noexcept {
  for (std::size_t i = 0; i < size; ++i) {
    if (!std::isfinite(numbers[i])) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace

const char* FaultName(FaultKind kind) {
  switch (kind) {
    case FaultKind::kNoObs:
      return "no observation";
    case FaultKind::kObsNotFinite:
      return "observation not finite";
    case FaultKind::kObsOutOfRange:
      return "observation out of range";
    case FaultKind::kObsStale:
      return "observation stale";
    case FaultKind::kPolicyFailed:
      return "policy failed";
    case FaultKind::kActionNotFinite:
      return "action not finite";
  }
  return "";
}

Guards::Guards(GuardSettings settings) : settings_(std::move(settings)) {
  CheckSettings(settings_);
  settings_.safe = SafeAction(settings_);
  last_ = settings_.safe;
  faults_.reserve(kMostFaults);
}

bool Guards::PassObs(std::int64_t period, bool had, const float* obs,
                     std::int64_t age_ns) noexcept {
  if (!had) {
    Note(period, FaultKind::kNoObs, -1);
    return false;
  }
  const auto size = static_cast<std::size_t>(settings_.obs_size);
  if (const int entry = FirstNotFinite(obs, size); entry >= 0) {
    Note(period, FaultKind::kObsNotFinite, entry);
    return false;
  }
  for (std::size_t i = 0; i < settings_.obs_low.size(); ++i) {
    if (settings_.obs_low[i] <= obs[i] && obs[i] <= settings_.obs_high[i]) continue;
    Note(period, FaultKind::kObsOutOfRange, static_cast<int>(i));
    return false;
  }
  // one from the future tells of clocks that differ: nobody knows how old it is
  if (settings_.stale_ns > 0 && (age_ns < 0 || age_ns > settings_.stale_ns)) {
    Note(period, FaultKind::kObsStale, -1);
    return false;
  }
  bad_in_a_row_ = 0;
  return true;
}

void Guards::Substitute(float* action) noexcept {
  if (!acted_ || ++bad_in_a_row_ > settings_.hold) return TakeSafe(action);
  ++held_;
  std::copy(last_.begin(), last_.end(), action);
}

void Guards::PassAction(std::int64_t period, bool acted, float* action) noexcept {
  const std::size_t size = last_.size();
  if (!acted) {
    Note(period, FaultKind::kPolicyFailed, -1);
    return TakeSafe(action);
  }
  if (const int entry = FirstNotFinite(action, size); entry >= 0) {
    Note(period, FaultKind::kActionNotFinite, entry);
    return TakeSafe(action);
  }
  bool clipped = false, slowed = false;
  for (std::size_t i = 0; i < size; ++i) {
    const float within = std::clamp(action[i], settings_.low[i], settings_.high[i]);
    clipped = clipped || within != action[i];
    action[i] = within;
    // in double, where even the difference of the largest floats is finite
    const double step = static_cast<double>(within) - static_cast<double>(last_[i]);
    if (settings_.max_step > 0.0 && std::abs(step) > settings_.max_step) {
      slowed = true;
      // between two floats, so rounding does not leave them
      action[i] = static_cast<float>(last_[i] + std::copysign(settings_.max_step, step));
    }
    last_[i] = action[i];
  }
  acted_ = true;
  clipped_ += clipped ? 1 : 0;
  slowed_ += slowed ? 1 : 0;
}

void Guards::Note(std::int64_t period, FaultKind kind, int entry) noexcept {
  ++counts_[static_cast<std::size_t>(kind)];
  // within what is reserved, so nothing is allocated
  if (faults_.size() < kMostFaults) faults_.push_back({period, kind, entry});
}

void Guards::TakeSafe(float* action) noexcept {
  ++saved_;
  std::copy(settings_.safe.begin(), settings_.safe.end(), last_.begin());
  std::copy(settings_.safe.begin(), settings_.safe.end(), action);
}

}  // namespace td7
