#include "replay/sum_tree.h"

#include <algorithm>
#include <array>
#include <cassert>

namespace td7 {
namespace {

constexpr std::size_t kWide = static_cast<std::size_t>(SumTree::kFan);
using Prefix = std::array<double, kWide>;

// The prefix sums of a node in the order that the header defines.
inline Prefix ScanNode(const float* node) {
  Prefix p;
  for (std::size_t i = 0; i < kWide; ++i) p[i] = static_cast<double>(node[i]);
  for (std::size_t step = 1; step < 8; step *= 2) {
    for (std::size_t i = 7; i >= step;
         --i) {  // downwards, so that p[i - step] is still the old value
      p[i] += p[i - step];
      p[i + 8] += p[i + 8 - step];
    }
  }
  for (std::size_t i = 8; i < kWide; ++i) p[i] += p[7];
  return p;
}

// The last prefix sum of ScanNode, to the bit (addition is commutative, so only the grouping
// matters).
inline double NodeTotal(const float* node) {
  std::array<double, 2> half;
  for (std::size_t h = 0; h < 2; ++h) {
    std::array<double, 8> x;
    for (std::size_t i = 0; i < 8; ++i) x[i] = static_cast<double>(node[8 * h + i]);
    half[h] = ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));
  }
  return half[0] + half[1];
}

inline unsigned FirstBit(unsigned mask) {
#if defined(__GNUC__) || defined(__clang__)
  return static_cast<unsigned>(__builtin_ctz(mask));
#else
  unsigned bit = 0;
  while ((mask >> bit & 1U) == 0) ++bit;
  return bit;
#endif
}

// The last child above zero. REQUIRES: there is one.
std::size_t LastAboveZero(const float* node) {
  std::size_t child = kWide - 1;
  while (child > 0 && !(node[child] > 0.0F)) --child;
  return child;
}

inline std::size_t PickChild(const float* node, double uniform) {
  const Prefix p = ScanNode(node);
  const double target = uniform * p[kWide - 1];
  unsigned mask = 0;
  for (std::size_t i = 0; i < kWide; ++i) {
    const bool here = (p[i] > target) & (node[i] > 0.0F);
    mask |= static_cast<unsigned>(here) << i;
  }
  return mask != 0 ? FirstBit(mask) : LastAboveZero(node);
}

// Share of a node's draws that go to `child`: the length of the targets for which PickChild returns
// it.
double ChildShare(const float* node, std::size_t child) {
  if (!(node[child] > 0.0F)) return 0.0;
  const Prefix p = ScanNode(node);
  const double total = p[kWide - 1];
  double low = 0.0;
  for (std::size_t i = 0; i < child; ++i) {
    if (node[i] > 0.0F) low = std::max(low, p[i]);
  }
  const double high = child == LastAboveZero(node) ? total : std::min(p[child], total);
  return std::max(0.0, high - low) / total;
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

double SumTree::Total() const { return NodeTotal(level_[static_cast<std::size_t>(levels_) - 1]); }

float SumTree::MaxWeight() const {
  std::array<float, kWide>
      most{};  // one running maximum a lane, so that the compiler can use vectors
  const float* weights = level_[0];
  for (std::int64_t node = 0; node * kFan < used_; ++node) {
    for (std::size_t i = 0; i < kWide; ++i) {
      const float weight = weights[node * kFan + static_cast<std::int64_t>(i)];
      most[i] = weight > most[i] ? weight : most[i];
    }
  }
  return *std::max_element(most.begin(), most.end());
}

void SumTree::Reach(std::int64_t slot) {
  assert(slot >= 0 && slot < max_slots_);
  used_ = std::max(used_, slot + 1);
  while ((std::int64_t{1} << (4 * levels_)) < used_) {
    const auto top = static_cast<std::size_t>(levels_);
    level_[top][0] = static_cast<float>(NodeTotal(level_[top - 1]));
    ++levels_;
  }
}

void SumTree::RefreshRange(std::int64_t first, std::int64_t last) {
  for (std::size_t level = 1; level < static_cast<std::size_t>(levels_); ++level) {
    first /= kFan;
    last /= kFan;
    const float* below = level_[level - 1];
    for (std::int64_t i = first; i <= last; ++i) {
      level_[level][i] = static_cast<float>(NodeTotal(below + i * kFan));
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
  for (std::size_t i = 0; i < n; ++i) {
    assert(slots[i] >= 0 && slots[i] < used_);
    level_[0][slots[i]] = weights[i];
  }
  // equal parents are recomputed more than once: cheaper than finding them
  for (int level = 1; level < levels_; ++level) {
    const float* below = level_[static_cast<std::size_t>(level) - 1];
    float* here = level_[static_cast<std::size_t>(level)];
    const float* above =
        level + 1 < levels_ ? level_[static_cast<std::size_t>(level) + 1] : nullptr;
    for (std::size_t i = 0; i < n; ++i) {
      const std::int64_t value = slots[i] >> (4 * level);
      here[value] = static_cast<float>(NodeTotal(below + value * kFan));
      if (above != nullptr) PrefetchLine(above + (value >> 4));
    }
  }
}

void SumTree::Draw(const double* uniforms, std::size_t n, std::int64_t* slots) const {
  assert(Total() > 0.0);
  const auto levels = static_cast<std::size_t>(levels_);
  std::fill_n(slots, n, std::int64_t{0});
  for (std::size_t depth = 0; depth < levels; ++depth) {
    const std::size_t level = levels - 1 - depth;
    const float* here = level_[level];
    const float* below = level > 0 ? level_[level - 1] : nullptr;
    for (std::size_t b = 0; b < n; ++b) {
      const std::int64_t first = slots[b] * kFan;
      const std::size_t child = PickChild(here + first, uniforms[b * levels + depth]);
      slots[b] = first + static_cast<std::int64_t>(child);
      if (below != nullptr) PrefetchLine(below + slots[b] * kFan);
    }
  }
}

double SumTree::PathProbability(std::int64_t slot) const {
  double probability = 1.0;
  for (std::size_t level = 0; level < static_cast<std::size_t>(levels_); ++level) {
    probability *=
        ChildShare(level_[level] + slot / kFan * kFan, static_cast<std::size_t>(slot % kFan));
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
  while ((std::int64_t{1} << (4 * levels_)) < used_) ++levels_;
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
