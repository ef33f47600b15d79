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
// Arithmetic. A node's 16 values x0..x15 are widened to double and summed in one fixed order: from
// left to right within each four, to which the sum of what stands before the four is added,
//   p[4q] = o + x[4q], p[4q+1] = o + (x[4q] + x[4q+1]), ..., with o = p[4q-1], and 0 for the first,
// so the node's total is p[15]. Vectors can follow that order (a lane a node, or a lane a four), so
// every implementation gives the same bits. A parent is the total rounded once to float32; it is
// always recomputed from its children, never adjusted, so nothing drifts.
//
// Distribution. At each level a fresh uniform u in [0, 1) picks the first child i with
// p[i] > u * p[15]. There always is one, as u * p[15] < p[15] for u <= 1 - 2^-53. Sums never fall
// from left to right and a value of zero leaves them as they are, to the bit; so a child of weight
// zero is never picked, whatever the rounding. The probability of a slot is the product over the
// levels of (p[i] - p[i-1]) / p[15]; as every parent is off by at most 2^-24 of itself, it is
// w / total within (levels - 1) * 2^-23 of itself at worst: 6e-7 up to 16.7 million slots and
// 7.2e-7 up to 268 million. Within one node, weights more than 2^50 apart lose accuracy.
//
// Weights are 0 or lie in [kMinWeight, kMaxWeight], so that no sum overflows or becomes subnormal.
//
// Threads: const methods may run at the same time; a method that is not const must run alone.
#ifndef TD7_REPLAY_TREE_SUM_TREE_H_
#define TD7_REPLAY_TREE_SUM_TREE_H_

#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "random/philox.h"
#include "replay/memory/prefetch.h"
#include "replay/memory/reserved_memory.h"

namespace td7 {

static_assert(FLT_EVAL_METHOD == 0, "sums are promised to the bit: no wider intermediate results");

// Owns its memory; movable, not copyable. Methods check their requirements with assert only.
class SumTree {
 public:
  static constexpr std::int64_t kFan = 16;
  static constexpr float kMinWeight = 0x1.0p-96F;
  static constexpr float kMaxWeight = 0x1.0p+96F;
  static constexpr std::int64_t kMaxSlots = std::int64_t{1} << 31;
  static constexpr std::size_t kLevelStride = std::size_t{1} << 28;
  static constexpr std::size_t kDrawBlock = 256;

  // All weights are 0. REQUIRES: 1 <= max_slots <= kMaxSlots. Throws std::bad_alloc.
  explicit SumTree(std::int64_t max_slots);

  // Number of levels that a draw passes, hence of uniforms that it takes: the least L with 16^L >=
  // slots used.
  int levels() const { return levels_; }
  static int LevelsFor(std::int64_t slots) {
    int levels = 1;
    while ((std::int64_t{1} << (4 * levels)) < slots) ++levels;
    return levels;
  }

  std::int64_t max_slots() const { return max_slots_; }

  // One more than the highest slot that has been set.
  std::int64_t used_slots() const { return used_; }

  // The weight of a slot below max_slots. O(1).
  float weight(std::int64_t slot) const { return level_[0][slot]; }

  // Starts loading the weight of any number, valid slot or not.
  void PrefetchWeight(std::int64_t slot) const {
    const auto start = reinterpret_cast<std::uintptr_t>(level_[0]);
    const std::uintptr_t offset = static_cast<std::uintptr_t>(slot) * sizeof(float);
    Prefetch(reinterpret_cast<const void*>(start + offset), sizeof(float));
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

  // Draws n slots, with replacement. Draw first + b uses number kLevelStride * level + first + b of
  // `random` at each level, 0 being that of the weights, so it is the same whatever else is drawn.
  // O(n levels): kDrawBlock draws go down together, one level at a time, so that their memory
  // accesses overlap. REQUIRES: Total() > 0; first even; first + n <= kLevelStride.
  void Draw(const PhiloxStream& random, std::size_t first, std::size_t n,
            std::int64_t* slots) const;

  // The same with given uniforms [levels(), n], the last row for the root. REQUIRES: Total() > 0;
  // n <= kDrawBlock; every uniform in [0, 1).
  void DrawWith(const double* uniforms, std::size_t n, std::int64_t* slots) const;

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
  template <typename Fill>
  void DrawBlock(std::size_t n, std::int64_t* slots, const Fill& fill) const;

  std::vector<ReservedMemory> memory_;  // one block per level
  std::vector<float*> level_;           // its values
  int levels_ = 1;
  std::int64_t used_ = 0;
  std::int64_t max_slots_;
};

}  // namespace td7

#endif  // TD7_REPLAY_TREE_SUM_TREE_H_
