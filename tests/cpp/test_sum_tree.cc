// replay/sum_tree.h: exact edges of the draw, growth, sums that do not drift. Exits with 0 if all
// claims hold.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "check.h"
#include "random/philox.h"
#include "replay/tree/sum_tree.h"

namespace td7 {
namespace {

constexpr double kAlmostOne = 1.0 - 0x1.0p-53;

std::int64_t DrawOne(const SumTree& tree, double uniform) {
  const std::vector<double> uniforms(static_cast<std::size_t>(tree.levels()), uniform);
  std::int64_t slot = -1;
  tree.DrawWith(uniforms.data(), 1, &slot);
  return slot;
}

void TheEndsOfTheUniformGiveTheEndsOfTheWeights() {
  for (const std::int64_t slots : {1, 16, 17, 256, 257, 5000}) {
    SumTree tree(slots);
    tree.SetRange(0, slots, 0.1F);
    CHECK(DrawOne(tree, 0.0) == 0);
    CHECK(DrawOne(tree, kAlmostOne) == slots - 1);
    tree.SetRange(slots - 1, 1, slots == 1 ? 1.0F : 0.0F);
    CHECK(DrawOne(tree, kAlmostOne) == (slots == 1 ? 0 : slots - 2));
  }
}

void EachBoundaryBelongsToTheRowAboveIt() {
  SumTree tree(16);
  tree.SetRange(0, 16, 1.0F);
  for (std::int64_t i = 0; i < 16; ++i) {
    const double boundary = static_cast<double>(i) / 16.0;
    CHECK(DrawOne(tree, boundary) == i);
    CHECK(DrawOne(tree, std::nextafter(boundary + 1.0 / 16.0, 0.0)) == i);
  }
}

void ZeroWeightsAreNeverDrawnWhateverTheRounding() {
  // weights far apart, so that prefix sums round in every way; every boundary and its neighbours
  const PhiloxStream random(3, StreamId("test"), 0);
  SumTree tree(16);
  std::uint32_t number = 0;
  for (int round = 0; round < 2000; ++round) {
    double total = 0.0;
    for (std::int64_t i = 0; i < 16; ++i) {
      const bool empty = random.Uniform(number++) < 0.4 && i != round % 16;
      const double exponent = 180.0 * random.Uniform(number++) - 90.0;
      tree.SetRange(i, 1, empty ? 0.0F : static_cast<float>(std::exp2(exponent)));
    }
    std::vector<double> edges{0.0, kAlmostOne};
    for (std::int64_t i = 0; i < 16; ++i) {
      total += static_cast<double>(tree.weight(i));
      const double edge = total / tree.Total();
      for (const double u : {std::nextafter(edge, 0.0), edge, std::nextafter(edge, 2.0)}) {
        if (u < 1.0) edges.push_back(u);
      }
    }
    for (const double u : edges) CHECK(tree.weight(DrawOne(tree, u)) > 0.0F);
  }
}

void SmallAndLargeWeightsNeitherOverflowNorVanish() {
  SumTree tree(100000);
  tree.SetRange(0, 100000, SumTree::kMaxWeight);
  CHECK(std::isfinite(tree.Total()));
  CHECK(DrawOne(tree, kAlmostOne) == 99999);
  tree.SetRange(0, 100000, 0.0F);
  tree.SetRange(70000, 1, SumTree::kMinWeight);
  CHECK(tree.Total() == static_cast<double>(SumTree::kMinWeight));
  CHECK(DrawOne(tree, 0.3) == 70000);
  CHECK(tree.PathProbability(70000) == 1.0);
}

void LevelsGrowWithUseAndKeepWhatWasThere() {
  SumTree tree(70000);
  const std::vector<std::pair<std::int64_t, int>> steps = {
      {0, 1}, {15, 1}, {16, 2}, {255, 2}, {256, 3}, {4095, 3}, {4096, 4}, {65535, 4}, {65536, 5}};
  double total = 0.0;
  for (const auto& [slot, levels] : steps) {
    tree.SetRange(slot, 1, 2.0F);
    total += 2.0;
    CHECK(tree.levels() == levels);
    CHECK(tree.Total() == total);
    CHECK(tree.used_slots() == slot + 1);
  }
  for (const auto& step : steps) CHECK(tree.PathProbability(step.first) == 1.0 / 9.0);
}

void TheLastOfEqualSlotsWins() {
  SumTree tree(300);
  tree.SetRange(0, 300, 1.0F);
  const std::vector<std::int64_t> slots{7, 299, 7, 7};
  const std::vector<float> weights{2.0F, 3.0F, 5.0F, 4.0F};
  tree.Set(slots.data(), weights.data(), slots.size());
  CHECK(tree.weight(7) == 4.0F && tree.weight(299) == 3.0F);
  CHECK(tree.Total() == 305.0);
}

void SumsAfterManyUpdatesAreThoseOfAFreshTree() {
  constexpr std::int64_t kSlots = 5000;
  const PhiloxStream random(4, StreamId("test"), 0);
  SumTree tree(kSlots);
  tree.SetRange(0, kSlots, 1.0F);
  std::uint32_t number = 0;
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::int64_t> slots(64);
    std::vector<float> weights(64);
    for (std::size_t i = 0; i < slots.size(); ++i) {
      slots[i] = static_cast<std::int64_t>(random.Uniform(number++) * kSlots);
      weights[i] = static_cast<float>(std::exp2(60.0 * random.Uniform(number++) - 20.0));
    }
    tree.Set(slots.data(), weights.data(), slots.size());
  }
  SumTree fresh(kSlots);
  std::copy(tree.weights(), tree.weights() + kSlots, fresh.BeginRestore(kSlots));
  fresh.Rebuild();
  CHECK(fresh.Total() == tree.Total());
  double sum = 0.0;
  for (std::int64_t i = 0; i < kSlots; ++i) {
    CHECK(fresh.PathProbability(i) == tree.PathProbability(i));
    sum += tree.PathProbability(i);
  }
  CHECK(std::abs(sum - 1.0) < 1e-12);
}

}  // namespace
}  // namespace td7

int main() {
  td7::TheEndsOfTheUniformGiveTheEndsOfTheWeights();
  td7::EachBoundaryBelongsToTheRowAboveIt();
  td7::ZeroWeightsAreNeverDrawnWhateverTheRounding();
  td7::SmallAndLargeWeightsNeitherOverflowNorVanish();
  td7::LevelsGrowWithUseAndKeepWhatWasThere();
  td7::TheLastOfEqualSlotsWins();
  td7::SumsAfterManyUpdatesAreThoseOfAFreshTree();
  return failures == 0 ? 0 : 1;
}
