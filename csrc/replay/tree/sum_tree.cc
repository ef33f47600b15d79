#include "replay/tree/sum_tree.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <numeric>

#include "replay/tree/kernels.h"

namespace td7 {
namespace {

constexpr std::size_t kFanOut = static_cast<std::size_t>(SumTree::kFan);
constexpr std::size_t kBlock = SumTree::kDrawBlock;
static_assert(kBlock % ReplayKernels::kGroup == 0);

// The prefix sums of one node in the order that the header defines.
std::array<double, kFanOut> PrefixSums(const float* node) {
  std::array<double, kFanOut> p;
  double before = 0.0;
  for (std::size_t i = 0; i < kFanOut;) {
    double sum = 0.0;
    do {
      sum += static_cast<double>(node[i]);
      p[i] = before + sum;
    } while (++i % 4 != 0);
    before = p[i - 1];
  }
  return p;
}

float NodeSum(const float* node) { return static_cast<float>(PrefixSums(node)[kFanOut - 1]); }

// Repeats the last of n entries until whole groups are full.
std::size_t FillGroup(std::size_t n, std::int64_t* nodes) {
  for (; n % ReplayKernels::kGroup != 0; ++n) nodes[n] = nodes[n - 1];
  return n;
}

}  // namespace

SumTree::SumTree(std::int64_t max_slots) : max_slots_(max_slots) {
  assert(max_slots >= 1 && max_slots <= kMaxSlots);
  std::int64_t values = max_slots;
  for (;;) {
    const std::int64_t nodes = (values + kFan - 1) / kFan;
    memory_.emplace_back(static_cast<std::size_t>(nodes * kFan) * sizeof(float));
    level_.push_back(static_cast<float*>(memory_.back().data()));
    if (nodes == 1) break;
    values = nodes;
  }
}

double SumTree::Total() const {
  return PrefixSums(level_[static_cast<std::size_t>(levels_) - 1])[kFanOut - 1];
}

float SumTree::MaxWeight() const {
  std::array<float, kFanOut>
      most{};  // one running maximum a lane, so that the compiler can use vectors
  const float* weights = level_[0];
  for (std::int64_t node = 0; node * kFan < used_; ++node) {
    for (std::size_t i = 0; i < kFanOut; ++i) {
      const float weight = weights[node * kFan + static_cast<std::int64_t>(i)];
      most[i] = weight > most[i] ? weight : most[i];
    }
  }
  return *std::max_element(most.begin(), most.end());
}

void SumTree::Reach(std::int64_t slot) {
  assert(slot >= 0 && slot < max_slots_);
  used_ = std::max(used_, slot + 1);
  while (levels_ < LevelsFor(used_)) {
    const auto top = static_cast<std::size_t>(levels_);
    level_[top][0] = NodeSum(level_[top - 1]);
    ++levels_;
  }
}

void SumTree::RefreshRange(std::int64_t first, std::int64_t last) {
  const ReplayKernels& kernels = ActiveKernels();
  std::array<std::int64_t, kBlock> nodes;
  for (std::size_t level = 1; level < static_cast<std::size_t>(levels_); ++level) {
    first /= kFan;
    last /= kFan;
    if (first == last) {  // a step added alone: not worth a group
      level_[level][first] = NodeSum(level_[level - 1] + first * kFan);
      continue;
    }
    for (std::int64_t start = first; start <= last; start += std::int64_t{kBlock}) {
      const std::int64_t end = std::min(last + 1, start + std::int64_t{kBlock});
      std::iota(nodes.begin(), nodes.begin() + (end - start), start);
      const std::size_t count = FillGroup(static_cast<std::size_t>(end - start), nodes.data());
      kernels.sum_nodes(level_[level - 1], nodes.data(), count, level_[level]);
    }
  }
}

void SumTree::SetRange(std::int64_t first, std::int64_t count, float weight) {
  assert(count >= 1 && (weight == 0.0F || (weight >= kMinWeight && weight <= kMaxWeight)));
  Reach(first + count - 1);
  std::fill_n(level_[0] + first, count, weight);
  RefreshRange(first, first + count - 1);
}

void SumTree::Set(const std::int64_t* slots, const float* weights, std::size_t n) {
  const ReplayKernels& kernels = ActiveKernels();
  std::array<std::int64_t, kBlock> nodes;
  for (std::size_t done = 0; done < n; done += kBlock) {
    const std::size_t count = std::min(kBlock, n - done);
    for (std::size_t i = 0; i < count; ++i) {
      assert(slots[done + i] >= 0 && slots[done + i] < used_);
      nodes[i] = slots[done + i];
      level_[0][nodes[i]] = weights[done + i];
    }
    // equal parents are recomputed more than once: cheaper than finding them
    std::size_t filled = FillGroup(count, nodes.data());
    std::int64_t all = used_;
    for (std::size_t level = 1; level < static_cast<std::size_t>(levels_); ++level) {
      all = (all + kFan - 1) / kFan;
      if (all <= static_cast<std::int64_t>(filled)) {  // fewer nodes than slots: each of them once
        std::iota(nodes.begin(), nodes.begin() + all, 0);
        filled = FillGroup(static_cast<std::size_t>(all), nodes.data());
      } else {
        for (std::size_t i = 0; i < filled; ++i) nodes[i] /= kFan;
      }
      kernels.sum_nodes(level_[level - 1], nodes.data(), filled, level_[level]);
    }
  }
}

// fill(level, uniforms) writes the uniforms of a level, up to the end of the last group.
template <typename Fill>
void SumTree::DrawBlock(std::size_t n, std::int64_t* slots, const Fill& fill) const {
  assert(n <= kBlock && Total() > 0.0);
  const ReplayKernels& kernels = ActiveKernels();
  std::array<double, kBlock> uniforms;
  std::array<std::int64_t, kBlock> nodes{};
  for (auto level = static_cast<std::size_t>(levels_); level-- > 0;) {
    fill(level, uniforms.data());
    const float* below = level > 0 ? level_[level - 1] : nullptr;
    const bool root = level + 1 == static_cast<std::size_t>(levels_);
    kernels.pick_children(level_[level], uniforms.data(), n, nodes.data(), below, root);
  }
  std::copy_n(nodes.data(), n, slots);
}

void SumTree::Draw(const PhiloxStream& random, std::size_t first, std::size_t n,
                   std::int64_t* slots) const {
  for (std::size_t done = 0; done < n; done += kBlock) {
    const std::size_t count = std::min(kBlock, n - done);
    DrawBlock(count, slots + done, [&](std::size_t level, double* uniforms) {
      const std::size_t number = kLevelStride * level + first + done;
      ActiveKernels().fill_uniforms(random, static_cast<std::uint32_t>(number), count, uniforms);
    });
  }
}

void SumTree::DrawWith(const double* uniforms, std::size_t n, std::int64_t* slots) const {
  DrawBlock(n, slots, [&](std::size_t level, double* row) {
    std::fill_n(row, kBlock, 0.0);
    std::copy_n(uniforms + level * n, n, row);
  });
}

double SumTree::PathProbability(std::int64_t slot) const {
  double probability = 1.0;
  for (std::size_t level = 0; level < static_cast<std::size_t>(levels_); ++level) {
    const std::array<double, kFanOut> p = PrefixSums(level_[level] + slot / kFan * kFan);
    const auto child = static_cast<std::size_t>(slot % kFan);
    probability *= (p[child] - (child > 0 ? p[child - 1] : 0.0)) / p[kFanOut - 1];
    slot /= kFan;
  }
  return probability;
}

float* SumTree::BeginRestore(std::int64_t count) {
  assert(used_ == 0 && count >= 0 && count <= max_slots_);
  used_ = count;
  return level_[0];
}

void SumTree::Rebuild() {
  if (used_ == 0) return;
  levels_ = LevelsFor(used_);
  RefreshRange(0, used_ - 1);
}

std::size_t SumTree::CommittedBytes() const {
  std::size_t bytes = 0;
  std::int64_t values = used_;
  for (std::size_t level = 0; level < static_cast<std::size_t>(levels_); ++level) {
    bytes += memory_[level].CommittedBytes(static_cast<std::size_t>(values) * sizeof(float));
    values = (values + kFan - 1) / kFan;
  }
  return bytes + memory_.capacity() * sizeof(ReservedMemory) + level_.capacity() * sizeof(float*);
}

}  // namespace td7
