#include "controller/control_loop.h"

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>

namespace td7 {

ControlLoop::ControlLoop(LoopClock* clock, Plant* plant, ControllerPolicy* policy, Guards* guards)
    : clock_(clock),
      plant_(plant),
      policy_(policy),
      guards_(guards),
      obs_(static_cast<std::size_t>(policy->obs_size())),
      action_(static_cast<std::size_t>(policy->action_size())) {
  if (guards->safe().size() != action_.size() || guards->obs_size() != policy->obs_size()) {
    throw std::invalid_argument("the guards must be of the policy's sizes");
  }
}

void ControlLoop::Run(const LoopSettings& settings, LoopResult* result) {
  if (settings.period_ns <= 0) {
    throw std::invalid_argument("period_ns must be above 0, got " +
                                std::to_string(settings.period_ns));
  }
  // a period from now, so that the first wake-up is a wait like the others
  const std::int64_t start = clock_->Now() + settings.period_ns;
  for (std::int64_t period = 0; period < settings.periods;) {
    const std::int64_t due = start + period * settings.period_ns;
    std::int64_t now = 0;
    if (!WaitUntil(due, settings.stop, &now)) {
      result->end = LoopResult::End::kStopped;
      break;
    }
    result->lateness.Add(now - due);
    ++result->done;
    if (plant_ != nullptr && !Work(period, result)) {
      result->end = LoopResult::End::kPlantFailed;
      return;
    }
    const std::int64_t end = clock_->Now();
    result->work.Add(end - now);
    if (end > due + settings.period_ns) ++result->late;
    // the first to begin at this moment or later
    const std::int64_t next = (end - start + settings.period_ns - 1) / settings.period_ns;
    const std::int64_t after = std::clamp(next, period + 1, settings.periods);
    result->skipped += after - period - 1;
    period = after;
  }
  if (plant_ == nullptr) return;
  if (!plant_->Finish(guards_->safe().data())) result->end = LoopResult::End::kPlantFailed;
}

// False if the loop is to end instead.
bool ControlLoop::WaitUntil(std::int64_t due, const std::atomic<bool>* stop,
                            std::int64_t* now) noexcept {
  while (stop == nullptr || !stop->load(std::memory_order_relaxed)) {
    *now = clock_->Now();
    if (*now >= due) return true;
    clock_->WaitUntil(due);
  }
  return false;
}

bool ControlLoop::Work(std::int64_t period, LoopResult* result) noexcept {
  std::int64_t age_ns = 0;
  const bool had = plant_->Observe(obs_.data(), &age_ns);
  if (guards_->PassObs(period, had, obs_.data(), age_ns)) {
    const std::int64_t begin = clock_->Now();
    const bool acted = policy_->Act(obs_.data(), action_.data());
    result->policy.Add(clock_->Now() - begin);
    guards_->PassAction(period, acted, action_.data());
  } else {
    guards_->Substitute(action_.data());
  }
  return plant_->Apply(action_.data());
}

}  // namespace td7
