// The control loop: which periods are missed, by a clock that says so; what reaches the policy and
// the plant when observations and actions go bad; that nothing is allocated.
// Exits with 0 if all claims hold.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "controller/control_loop.h"
#include "controller/guards.h"
#include "controller/loop_clock.h"
#include "programs/allocations.h"
#include "programs/trial_plant.h"

namespace td7 {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Time passes only in waits, each late by `late_ns`, and as others say.
class FakeClock : public LoopClock {
 public:
  std::int64_t Now() noexcept override { return now; }
  void WaitUntil(std::int64_t ns) noexcept override {
    ++waits;
    now = std::max(now, ns) + late_ns;
    if (waits == stop_at_wait) stop.store(true);
  }

  std::int64_t now = 12345, late_ns = 0;
  std::int64_t waits = 0, stop_at_wait = -1;
  std::atomic<bool> stop{false};
};

// Observes 1, 2, ... in every entry and takes the time that `work` says for each period.
class FakePlant : public Plant {
 public:
  explicit FakePlant(FakeClock* clock) : clock_(clock) { applied.reserve(1000); }

  bool Observe(float* obs, std::int64_t* age_ns) noexcept override {
    obs[0] = obs[1] = static_cast<float>(++observed);
    *age_ns = age;
    return observed != without;
  }
  bool Apply(const float* action) noexcept override {
    if (static_cast<std::int64_t>(applied.size()) == fails_at) return false;
    if (applied.size() < work.size()) clock_->now += work[applied.size()];
    applied.push_back(action[0]);
    return true;
  }

  std::int64_t observed = 0, without = -1, fails_at = -1, age = 0;
  std::vector<std::int64_t> work;
  std::vector<float> applied;

 private:
  FakeClock* clock_;
};

// Returns the observation; NaN, and failure, where it is told to.
class FakePolicy : public ControllerPolicy {
 public:
  int obs_size() const noexcept override { return 2; }
  int action_size() const noexcept override { return 1; }
  const char* name() const noexcept override { return "fake"; }
  bool Act(const float* obs, float* action) noexcept override {
    saw_unsound = saw_unsound || !std::isfinite(obs[0]);
    if (obs[0] == fails_of) return false;
    action[0] = obs[0] == nan_of ? kNan : obs[0];
    return true;
  }

  float nan_of = -1.0f, fails_of = -1.0f;
  bool saw_unsound = false;
};

GuardSettings Wide() {
  GuardSettings settings;
  settings.low = {-1000.0f};
  settings.high = {1000.0f};
  settings.obs_size = 2;
  return settings;
}

struct Rig {
  explicit Rig(const GuardSettings& settings = Wide(), const Trial& trial = {})
      : plant(&clock), trial_plant(&plant, trial), guards(settings) {}

  void Run(std::int64_t periods) {
    ControlLoop loop(&clock, &trial_plant, &policy, &guards);
    loop.Run({1000, periods, &clock.stop}, &result);
  }

  FakeClock clock;
  FakePlant plant;
  TrialPlant trial_plant;
  FakePolicy policy;
  Guards guards;
  LoopResult result;
};

bool Counts(const LoopResult& result, std::int64_t done, std::int64_t late, std::int64_t skipped) {
  return result.done == done && result.late == late && result.skipped == skipped;
}

void WorkThatIsDoneInTimeMissesNothing() {
  Rig rig;
  rig.plant.work = {0, 999, 1000, 1, 500};  // 1000: done as the period ends
  rig.clock.late_ns = 0;
  rig.Run(5);
  CHECK(Counts(rig.result, 5, 0, 0));
  CHECK(rig.result.end == LoopResult::End::kTime && rig.result.missed() == 0);
  CHECK(rig.result.work.max() == 1000 && rig.result.lateness.max() == 0);
  CHECK((rig.plant.applied == std::vector<float>{1, 2, 3, 4, 5, 0}));  // the safe one is last
}

void LateWorkSkipsPeriodsAndIsNeverMadeUpFor() {
  Rig rig;
  rig.plant.work = {0, 1001, 0, 3500, 0, 0, 2000};
  rig.Run(12);
  // 0, 1 late (2 skipped), 3, 4 late (5, 6, 7 skipped), 8, 9, 10 late until 12 (11 skipped)
  CHECK(Counts(rig.result, 7, 3, 5));
  CHECK(rig.result.periods() == 12 && rig.result.missed() == 8);
  CHECK(rig.clock.waits == 7);
}

void WakeUpsThatAreLateAreCountedInTheHistogram() {
  Rig rig;
  rig.clock.late_ns = 300;
  rig.plant.work = {0, 800};  // 300 + 800: after the end
  rig.Run(4);
  CHECK(Counts(rig.result, 3, 1, 1));
  CHECK(rig.result.lateness.total() == 3 && rig.result.lateness.max() == 300);
  Rig asleep;
  asleep.clock.late_ns = 2500;
  asleep.Run(9);
  CHECK(Counts(asleep.result, 3, 3, 6));
}

void ALoopWithoutPlantOnlyWakesUp() {
  FakeClock clock;
  ControlLoop loop(&clock);
  LoopResult result;
  loop.Run({1000, 7, nullptr}, &result);
  CHECK(Counts(result, 7, 0, 0) && result.work.max() == 0 && clock.waits == 7);
}

void AStopAppliesTheSafeActionOnceAndAtOnce() {
  Rig rig;
  rig.clock.stop_at_wait = 3;
  rig.Run(100);
  CHECK(rig.result.end == LoopResult::End::kStopped && rig.result.done == 2);
  CHECK((rig.plant.applied == std::vector<float>{1, 2, 0}));
}

void GuardsOfOtherSizesAreRefused() {
  GuardSettings other = Wide();
  other.obs_size = 3;
  CHECK_THROWS(Rig(other).Run(1), std::invalid_argument, "the guards must be of the policy's");
}

void PeriodsThatTakeNoTimeAreRefused() {
  Rig rig;
  ControlLoop loop(&rig.clock, &rig.trial_plant, &rig.policy, &rig.guards);
  for (const std::int64_t period_ns : {std::int64_t{0}, std::int64_t{-1}}) {
    CHECK_THROWS(loop.Run({period_ns, 3, nullptr}, &rig.result), std::invalid_argument,
                 "period_ns must be above 0, got " + std::to_string(period_ns));
  }
  CHECK(rig.clock.waits == 0 && rig.plant.applied.empty());
}

void APlantThatFailsEndsTheLoop() {
  Rig rig;
  rig.plant.fails_at = 2;
  rig.Run(100);
  CHECK(rig.result.end == LoopResult::End::kPlantFailed && rig.result.done == 3);
  CHECK(rig.plant.applied.size() == 2);
}

bool Is(const Fault& fault, std::int64_t period, FaultKind kind, int entry) {
  return fault.period == period && fault.kind == kind && fault.entry == entry;
}

void AnUnsoundObservationHoldsTheLastActionAndThenTakesTheSafeOne() {
  GuardSettings settings = Wide();
  settings.hold = 2;
  settings.safe = {-7.0f};
  settings.stale_ns = 5;
  for (const auto kind : {Trial::Kind::kNan, Trial::Kind::kStale}) {
    Rig rig(settings, {kind, 3, 4});
    rig.Run(9);
    CHECK((rig.plant.applied == std::vector<float>{1, 2, 3, 3, 3, -7, -7, 8, 9, -7}));
    CHECK(!rig.policy.saw_unsound);
    CHECK(rig.guards.held() == 2 && rig.guards.saved() == 2 && rig.guards.faults().size() == 4);
    const bool nan = kind == Trial::Kind::kNan;
    const FaultKind wanted = nan ? FaultKind::kObsNotFinite : FaultKind::kObsStale;
    CHECK(Is(rig.guards.faults()[0], 3, wanted, nan ? 0 : -1));
    CHECK(Is(rig.guards.faults()[3], 6, wanted, nan ? 0 : -1));
    CHECK(rig.guards.faults_of(wanted) == 4);
  }
  Rig first(settings, {Trial::Kind::kNan, 0, 1});  // nothing to hold yet
  first.Run(2);
  CHECK((first.plant.applied == std::vector<float>{-7, 2, -7}));
}

void AMissingObservationAndABadActionTakeTheSafeAction() {
  Rig rig;
  rig.plant.without = 2;
  rig.policy.nan_of = 3.0f;
  rig.policy.fails_of = 4.0f;
  rig.Run(5);
  CHECK((rig.plant.applied == std::vector<float>{1, 0, 0, 0, 5, 0}));
  const std::vector<Fault>& faults = rig.guards.faults();
  CHECK(faults.size() == 3 && Is(faults[0], 1, FaultKind::kNoObs, -1) &&
        Is(faults[1], 2, FaultKind::kActionNotFinite, 0) &&
        Is(faults[2], 3, FaultKind::kPolicyFailed, -1));
}

void AnOldObservationIsOneOlderThanTheLimitOrOfTheFuture() {
  GuardSettings settings = Wide();
  for (const std::int64_t limit : {5, 0}) {  // 0: any age
    settings.stale_ns = limit;
    for (const std::int64_t age : {-1, 0, 5, 6}) {
      Rig rig(settings);
      rig.plant.age = age;
      rig.Run(1);
      const bool stale = limit > 0 && (age > 5 || age < 0);
      CHECK(rig.guards.faults_of(FaultKind::kObsStale) == (stale ? 1 : 0));
    }
  }
}

void NothingIsAllocatedInTheLoop() {
  GuardSettings settings = Wide();
  settings.stale_ns = 5;
  Rig rig(settings, {Trial::Kind::kNan, 100, 700});
  ControlLoop loop(&rig.clock, &rig.trial_plant, &rig.policy, &rig.guards);
  CHECK(Allocations() > 0);
  const std::int64_t before = Allocations();
  loop.Run({1000, 900, nullptr}, &rig.result);
  CHECK(Allocations() == before);
  CHECK(rig.result.done == 900 && rig.guards.faults().size() == 700);
}

void TheSystemsClockWaitsForATimeAndNotForSoLong() {
  SteadyClock clock;
  const std::int64_t begin = clock.Now();
  clock.WaitUntil(begin + 3000000);
  CHECK(clock.Now() >= begin + 3000000);
  const std::int64_t before = clock.Now();
  for (int i = 0; i < 1000; ++i) clock.WaitUntil(begin);  // is over
  CHECK(clock.Now() - before < 1000000000);
}

}  // namespace
}  // namespace td7

int main() {
  td7::WorkThatIsDoneInTimeMissesNothing();
  td7::LateWorkSkipsPeriodsAndIsNeverMadeUpFor();
  td7::WakeUpsThatAreLateAreCountedInTheHistogram();
  td7::ALoopWithoutPlantOnlyWakesUp();
  td7::AStopAppliesTheSafeActionOnceAndAtOnce();
  td7::GuardsOfOtherSizesAreRefused();
  td7::PeriodsThatTakeNoTimeAreRefused();
  td7::APlantThatFailsEndsTheLoop();
  td7::AnUnsoundObservationHoldsTheLastActionAndThenTakesTheSafeOne();
  td7::AMissingObservationAndABadActionTakeTheSafeAction();
  td7::AnOldObservationIsOneOlderThanTheLimitOrOfTheFuture();
  td7::NothingIsAllocatedInTheLoop();
  td7::TheSystemsClockWaitsForATimeAndNotForSoLong();
  return failures > 0 ? 1 : 0;
}
