// A 16-ary tree of float32 sums over the weights of numbered slots: draws a slot with probability
// proportional to its weight in time logarithmic in the number of slots.
//
//   level 2   [ S S . .. . ]                             the root: one node
//               | \.
//   level 1   [ s s s .. s ] [ s s . .. . ]              value i = sum of node i of level 0
//               | \.           |
//   level 0   [ w w .. w ] [ w w .. w ] .. [ w . .. . ]  value i = weight of slot i
//
// A node is 16 consecutive values of one level, 64 bytes, aligned to a cache line; value i of a
// level belongs to node i / 16 and is the sum of node i of the level below. A level is one array.
// All levels are reserved for max_slots at the start, but memory is committed, and levels are
// searched, only as far as slots have been used: the tree starts with one level and adds a root
// whenever a slot beyond the current span is first used.
//
// Arithmetic. A node's 16 values x0..x15 are widened to double and summed in one fixed order, that
// of a parallel prefix sum with steps 1, 2, 4 in each half of eight, to which the upper half then
// adds the lower half's total:
//   p[i] += p[i-1], p[i] += p[i-2], p[i] += p[i-4]  (all i of a half at once, i-k within the half);
//   p[8..15] += p[7]
// so p[7] = ((x0+x1)+(x2+x3))+((x4+x5)+(x6+x7)), and the total p[15] is that of the upper half plus
// p[7]. Vectors of 2, 4 or 8 doubles can follow the same order, so every implementation gives the
// same bits. A parent is the total rounded once to float32; it is always recomputed from its
// children, never adjusted, so nothing drifts.
//
// Distribution. At each level a fresh uniform u in [0, 1) picks, with t = u * p[15], the first
// child i with p[i] > t and a weight above zero (if rounding leaves none: the last child above
// zero). A child of weight zero is never picked, whatever the rounding. The probability of a slot
// is the product over the levels of its interval's share; as every parent is off by at most 2^-24
// of itself, it is w / total within (levels - 1) * 2^-23 of itself at worst: 6e-7 up to 16.7
// million slots and 7.2e-7 up to 268 million. Within one node, weights more than 2^50 apart lose
// accuracy.
//
// Weights are 0 or lie in [kMinWeight, kMaxWeight], so that no sum overflows or becomes subnormal.
//
// Threads: const methods may run at the same time; a method that is not const must run alone.
#ifndef TD7_REPLAY_SUM_TREE_H_
#define TD7_REPLAY_SUM_TREE_H_

#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "replay/reserved_memory.h"

namespace td7 {

static_assert(FLT_EVAL_METHOD == 0, "sums are promised to the bit: no wider intermediate results");

// Asks the processor to load the cache line at `address`; any address is allowed.
inline void PrefetchLine(const void* address) {
#if defined(__GNUC__) || defined(__clang__)
  __builtin_prefetch(address);
#else
  (void)address;
#endif
}

// Owns its memory; movable, not copyable. Methods check their requirements with assert only.
class SumTree {
 public:
  static constexpr std::int64_t kFan = 16;
  static constexpr float kMinWeight = 0x1.0p-96F;
  static constexpr float kMaxWeight = 0x1.0p+96F;
  static constexpr std::int64_t kMaxSlots = std::int64_t{1} << 31;

  // All weights are 0. REQUIRES: 1 <= max_slots <= kMaxSlots. Throws std::bad_alloc.
  explicit SumTree(std::int64_t max_slots);

  // Number of levels that a draw passes, hence of uniforms that it takes: the least L with 16^L >=
  // slots used.
  int levels() const { return levels_; }

  std::int64_t max_slots() const { return max_slots_; }

  // One more than the highest slot that has been set.
  std::int64_t used_slots() const { return used_; }

  // The weight of a slot below max_slots. O(1).
  float weight(std::int64_t slot) const { return level_[0][slot]; }

  // Starts loading the weight of any number, valid slot or not.
  void PrefetchWeight(std::int64_t slot) const {
    const auto start = reinterpret_cast<std::uintptr_t>(level_[0]);
    const std::uintptr_t offset = static_cast<std::uintptr_t>(slot) * sizeof(float);
    PrefetchLine(reinterpret_cast<const void*>(start + offset));
  }

  // The weights of slots 0 .. used_slots() - 1.
  const float* weights() const { return level_[0]; }

  // Sum of all weights as the draw sees it. O(1).
  double Total() const;

  // The largest weight. O(used slots).
  float MaxWeight() const;

  // Gives `count` slots from `first` on the same weight. O(count + levels).
  void SetRange(std::int64_t first, std::int64_t count, float weight);

  // weight(slots[i]) = weights[i], in order: of equal slots the last one wins. O(n levels), level
  // by level. REQUIRES: every slot < used_slots().
  void Set(const std::int64_t* slots, const float* weights, std::size_t n);

  // Draws n slots, with replacement; draw b uses uniforms[b * levels() + depth], depth 0 at the
  // root. O(n levels): all draws go down one level at a time, so that the memory accesses of
  // different draws overlap. REQUIRES: Total() > 0; every uniform in [0, 1).
  void Draw(const double* uniforms, std::size_t n, std::int64_t* slots) const;

  // The probability with which Draw gives `slot` for real-valued uniforms (the 2^-53 grid is not
  // resolved): product over the levels of the length of the child's interval over the node's total.
  // O(levels). 0 for a weight of 0.
  double PathProbability(std::int64_t slot) const;

  // Replaces all weights by weights[0 .. count), to be filled by the caller through the returned
  // pointer; Rebuild() must follow before any other call. For restoring a saved tree. REQUIRES: a
  // tree that has never been set.
  float* BeginRestore(std::int64_t count);
  void Rebuild();

  // Bytes held. O(levels).
  std::size_t CommittedBytes() const;

 private:
  void Reach(std::int64_t slot);
  void RefreshRange(std::int64_t first, std::int64_t last);

  std::vector<ReservedMemory> memory_;  // one block per level
  std::vector<float*> level_;           // its values
  int levels_ = 1;
  std::int64_t used_ = 0;
  std::int64_t max_slots_;
};

}  // namespace td7

#endif  // TD7_REPLAY_SUM_TREE_H_
