// policy/policy.h: every instruction set that the machine has computes the policy's definition,
// each row with the same bits whatever batch it is in, and allocates nothing. Needs headers only.
// Exits with 0 if all claims hold.
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <stdexcept>
#include <vector>

#include "check.h"
#include "policy/exploration.h"
#include "policy/policy.h"
#include "policy_twin.h"

namespace {
std::atomic<int> allocations{0};

void* Allocate(std::size_t bytes, std::size_t alignment) {
  ++allocations;
  void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
}  // namespace

void* operator new(std::size_t bytes) { return Allocate(bytes, 16); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return Allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace td7 {
namespace {

constexpr PolicySizes kSizes[] = {
    {17, 6, 256, 256, 256}, {3, 1, 7, 33, 7},        {1, 1, 1, 1, 1},
    {400, 20, 65, 16, 31},  {33, 33, 300, 100, 129}, {5, 2, 32, 64, 96},
};
constexpr Precision kPrecisions[] = {Precision::kFloat32, Precision::kBfloat16};

// A loaded policy with its scratch.
struct Loaded {
  Loaded(const PolicySizes& sizes, Precision precision, std::uint64_t seed = 1)
      : weights(sizes, seed), policy(sizes, precision), scratch(sizes) {
    policy.Load(weights.pointers());
  }
  Floats Actions(const Floats& obs) {
    const PolicySizes& sizes = policy.sizes();
    const int n = static_cast<int>(obs.size()) / sizes.obs;
    Floats actions(static_cast<std::size_t>(n * sizes.action));
    policy.Normalised(obs.data(), n, &scratch, actions.data());
    return actions;
  }
  Weights weights;
  Policy policy;
  PolicyScratch scratch;
};

void OutputsAreThoseOfTheDefinition(const PolicySizes& sizes, Precision precision) {
  Loaded loaded(sizes, precision);
  const bool rounded = precision == Precision::kBfloat16;
  for (const double scale : {1.0, 1000.0}) {
    const Floats obs = Normals(7, 3 * sizes.obs, scale);
    const Floats actions = loaded.Actions(obs);
    Floats zs(static_cast<std::size_t>(3 * sizes.embedding));
    loaded.policy.Zs(obs.data(), 3, &loaded.scratch, zs.data());
    for (int row = 0; row < 3; ++row) {
      const Doubles x(obs.begin() + row * sizes.obs, obs.begin() + (row + 1) * sizes.obs);
      CHECK(Difference(Reference(loaded.weights, x, rounded), &actions[0] + row * sizes.action) <
            4e-6);
      CHECK(Difference(ReferenceZs(loaded.weights, x, rounded), &zs[0] + row * sizes.embedding) <
            2e-5);
    }
  }
}

void ARowHasTheSameBitsInEveryBatch(const PolicySizes& sizes, Precision precision) {
  Loaded loaded(sizes, precision);
  const Floats obs = Normals(8, 17 * sizes.obs, 2.0);
  const Floats all = loaded.Actions(obs);
  for (int n = 1; n <= 17; ++n) {
    for (int first = 0; first + n <= 17; first += n) {
      const auto* from = obs.data() + first * sizes.obs;
      const Floats actions = loaded.Actions(Floats(from, from + n * sizes.obs));
      CHECK(std::memcmp(actions.data(), all.data() + first * sizes.action,
                        actions.size() * sizeof(float)) == 0);
    }
  }
}

void ScratchHoldsNothingBetweenCalls(const PolicySizes& sizes, Precision precision) {
  Loaded loaded(sizes, precision);
  const Floats obs = Normals(9, 5 * sizes.obs, 1.0);
  const Floats before = loaded.Actions(obs);
  loaded.Actions(Floats(obs.size(), std::numeric_limits<float>::quiet_NaN()));
  CHECK(loaded.Actions(obs) == before);
}

void LoadingAgainLeavesNothingOfTheWeightsBefore(const PolicySizes& sizes, Precision precision) {
  Loaded fresh(sizes, precision, 2);
  Loaded reused(sizes, precision, 1);
  const Floats obs = Normals(10, 4 * sizes.obs, 1.0);
  CHECK(reused.Actions(obs) != fresh.Actions(obs));
  reused.policy.Load(fresh.weights.pointers());
  CHECK(reused.Actions(obs) == fresh.Actions(obs));
}

void NanStaysInItsRowAndInfinityDoesNoHarm(const PolicySizes& sizes, Precision precision) {
  Loaded loaded(sizes, precision);
  const Floats obs = Normals(11, 9 * sizes.obs, 1.0);
  const Floats clean = loaded.Actions(obs);
  const float bad[] = {std::numeric_limits<float>::quiet_NaN(),
                       std::numeric_limits<float>::infinity(), std::numeric_limits<float>::max()};
  for (const float value : bad) {
    Floats spoilt = obs;
    spoilt[static_cast<std::size_t>(4 * sizes.obs)] = value;
    const Floats actions = loaded.Actions(spoilt);
    for (std::size_t i = 0; i < actions.size(); ++i) {
      const bool touched = static_cast<int>(i) / sizes.action == 4;
      if (!touched) CHECK(actions[i] == clean[i]);
      if (touched) CHECK(std::isnan(actions[i]) || std::abs(actions[i]) <= 1.0F);
      if (touched && value != value) CHECK(std::isnan(actions[i]));
    }
  }
}

void CallsAndLoadsAllocateNothing(const PolicySizes& sizes, Precision precision) {
  Loaded loaded(sizes, precision);
  const Floats obs = Normals(12, 11 * sizes.obs, 1.0);
  Floats actions(static_cast<std::size_t>(11 * sizes.action));
  Floats zs(static_cast<std::size_t>(11 * sizes.embedding));
  const PolicyWeights weights = loaded.weights.pointers();
  const int before = allocations;
  loaded.policy.Load(weights);
  loaded.policy.Normalised(obs.data(), 11, &loaded.scratch, actions.data());
  loaded.policy.Act(obs.data(), 11, &loaded.scratch, actions.data());
  loaded.policy.Zs(obs.data(), 11, &loaded.scratch, zs.data());
  Explore(1, 2, 0.1F, actions.data(), sizes.action, actions.data());
  WarmupAction(1, 2, sizes.action, actions.data());
  CHECK(allocations == before);
}

// zs3 and l3 are zeros but for one weight: what comes out is the function itself.
void TanhIsWithinThreeUnits() {
  const PolicySizes sizes{1, 1, 1, 1, 1};
  Weights weights(sizes, 1);
  for (Floats& w : weights.weight) w = Floats(w.size(), 0.0F);
  for (Floats& b : weights.bias) b = {0.0F};
  Policy policy(sizes, Precision::kFloat32);
  PolicyScratch scratch(sizes);
  const float obs = 0.0F;
  for (int i = -3000; i <= 3000; ++i) {
    const float x = i % 3 == 0 ? std::ldexp(1.0F, i / 100) : static_cast<float>(i) * 0.01F;
    weights.bias[6] = {x};
    policy.Load(weights.pointers());
    float y;
    policy.Normalised(&obs, 1, &scratch, &y);
    const double exact = std::tanh(static_cast<double>(x));
    CHECK(std::abs(static_cast<double>(y) - exact) <= std::abs(exact) * 0x1.8p-22);
    CHECK(std::abs(y) <= 1.0F);
  }
}

// The sets that fuse multiply and add agree to the bit, the others to 1e-6.
void SetsAgree(const PolicySizes& sizes, Precision precision) {
  Loaded loaded(sizes, precision);
  const Floats obs = Normals(13, 10 * sizes.obs, 1.0);
  SetInstructionSet(InstructionSet::kPlain);
  const Floats plain = loaded.Actions(obs);
  Floats fused;
  for (const InstructionSet set : {InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (!MachineHas(set)) continue;
    SetInstructionSet(set);
    const Floats actions = loaded.Actions(obs);
    CHECK(fused.empty() || fused == actions);
    fused = actions;
    CHECK(Difference(Doubles(plain.begin(), plain.end()), actions.data()) < 1e-6);
  }
}

void BoundsAreReachedAndNeverPassed() {
  const PolicySizes sizes{2, 3, 4, 4, 4};
  Loaded loaded(sizes, Precision::kFloat32);
  Floats& low = loaded.weights.low;
  Floats& high = loaded.weights.high;
  low = {-1.0F, 0.0F, -2.0F};
  high = {3.0F, 0.5F, 5.0F};
  loaded.policy.Load(loaded.weights.pointers());
  Floats action{-1.0F, 1.0F, 0.5F, 2.0F, -7.0F, std::numeric_limits<float>::quiet_NaN()};
  loaded.policy.ToEnv(action.data(), 2, action.data());
  CHECK(action[0] == low[0] && action[1] == high[1]);
  CHECK(action[2] == 1.5F + 3.5F * 0.5F);
  CHECK(action[3] == high[0] && action[4] == low[1] && std::isnan(action[5]));
}

void Bfloat16RoundsToTheNearestWithTiesToEven() {
  const auto rounded = [](std::uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return RoundToBfloat16(x);
  };
  CHECK(rounded(0x3F808000) == 0x3F80 && rounded(0x3F818000) == 0x3F82);
  CHECK(rounded(0x3F808001) == 0x3F81 && rounded(0xBF807FFF) == 0xBF80);
  CHECK(rounded(0x7F7FFFFF) == 0x7F80 && rounded(0x00000001) == 0);
  CHECK(rounded(0x7F800001) == 0x7FC0 && rounded(0xFFFFFFFF) == 0xFFFF);
}

void SizesBelowOneAreRefused() {
  CHECK_THROWS(Policy({0, 1, 1, 1, 1}, Precision::kFloat32), std::invalid_argument,
               "obs_size must be from 1 to 1048576, got 0");
  CHECK_THROWS(PolicyScratch({1, 1, 1, 1, -3}), std::invalid_argument,
               "actor_hidden must be from 1 to 1048576, got -3");
}

}  // namespace
}  // namespace td7

int main() {
  using namespace td7;
  for (const InstructionSet set : kInstructionSets) {
    if (!MachineHas(set)) continue;
    std::printf("%s\n", InstructionSetName(set));
    SetInstructionSet(set);
    for (const PolicySizes& sizes : kSizes) {
      for (const Precision precision : kPrecisions) {
        OutputsAreThoseOfTheDefinition(sizes, precision);
        ARowHasTheSameBitsInEveryBatch(sizes, precision);
        ScratchHoldsNothingBetweenCalls(sizes, precision);
        LoadingAgainLeavesNothingOfTheWeightsBefore(sizes, precision);
        NanStaysInItsRowAndInfinityDoesNoHarm(sizes, precision);
        CallsAndLoadsAllocateNothing(sizes, precision);
      }
    }
    TanhIsWithinThreeUnits();
  }
  for (const PolicySizes& sizes : kSizes) {
    for (const Precision precision : kPrecisions) SetsAgree(sizes, precision);
  }
  BoundsAreReachedAndNeverPassed();
  Bfloat16RoundsToTheNearestWithTiesToEven();
  SizesBelowOneAreRefused();
  return failures == 0 ? 0 : 1;
}
