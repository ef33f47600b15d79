// Where a policy's numbers lie: its packed layers one after another, the working memory of a block
// of rows, and the environment's bounds.
//
// No heap and no exception. This file, forward.h, packed_layer.h and simd/ are what a policy
// without an operating system needs; of the standard library they take <atomic>, <cassert>,
// <cstddef>, <cstdint> and <cstring>, of its functions memcpy. Threads: pure functions. REQUIRES of
// all: sizes from 1 to kMostSize.
#ifndef TD7_POLICY_LAYOUT_H_
#define TD7_POLICY_LAYOUT_H_

#include <cstddef>

#include "policy/forward.h"
#include "policy/packed_layer.h"

namespace td7 {

struct PolicySizes {
  int obs;             // S
  int action;          // A
  int embedding;       // Z
  int encoder_hidden;  // Hs
  int actor_hidden;    // Ha

  friend constexpr bool operator==(const PolicySizes& a, const PolicySizes& b) {
    return a.obs == b.obs && a.action == b.action && a.embedding == b.embedding &&
           a.encoder_hidden == b.encoder_hidden && a.actor_hidden == b.actor_hidden;
  }
};

inline constexpr int kMostSize = 1 << 20;

namespace internal {

// Gives each layer its sizes and its place from `words` on, in the order of use; returns how many
// words that are.
template <typename Weight>
constexpr std::size_t LayOut(const PolicySizes& sizes, float* words, PackedPolicy<Weight>* packed) {
  std::size_t used = 0;
  const auto place = [&](int inputs, int outputs) {
    const PackedLayer<Weight> layer{inputs, outputs, words == nullptr ? words : words + used};
    used += layer.size();
    return layer;
  };
  packed->l0 = place(sizes.obs, sizes.actor_hidden);
  packed->zs1 = place(sizes.obs, sizes.encoder_hidden);
  packed->zs2 = place(sizes.encoder_hidden, sizes.encoder_hidden);
  packed->zs3 = place(sizes.encoder_hidden, sizes.embedding);
  packed->l1 = place(sizes.actor_hidden + sizes.embedding, sizes.actor_hidden);
  packed->l2 = place(sizes.actor_hidden, sizes.actor_hidden);
  packed->l3 = place(sizes.actor_hidden, sizes.action);
  return used;
}

template <typename Weight>
constexpr std::size_t PackedWords(const PolicySizes& sizes) {
  PackedPolicy<Weight> packed{};
  return LayOut(sizes, nullptr, &packed);
}

constexpr int Larger(int a, int b) { return a < b ? b : a; }

// From one row's hidden outputs to the next one's: an odd number of cache lines, so that a column's
// entries spread over the cache.
constexpr int HiddenStride(const PolicySizes& sizes) {
  return WholePanels(Larger(Larger(sizes.encoder_hidden, sizes.actor_hidden), sizes.action)) | 16;
}

constexpr int BothStride(const PolicySizes& sizes) {
  return WholePanels(sizes.actor_hidden + WholePanels(sizes.embedding)) | 16;
}

// Words of working memory for a block of `rows` rows.
constexpr std::size_t MemoryWords(const PolicySizes& sizes, int rows) {
  const int row_words = 2 * HiddenStride(sizes) + BothStride(sizes);
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(row_words);
}

// words [MemoryWords(sizes, rows)], 64-byte aligned, divided up.
inline PolicyMemory LayOutMemory(const PolicySizes& sizes, int rows, float* words) {
  const std::ptrdiff_t hidden = HiddenStride(sizes);
  return {words, words + rows * hidden, words + 2 * rows * hidden, hidden, BothStride(sizes)};
}

// What maps one number of an action from [-1, 1] to the environment's units.
struct ActionBounds {
  float centre, half, low, high;

  static ActionBounds Of(float low, float high) {
    return {(high + low) / 2, (high - low) / 2, low, high};
  }
  float ToEnv(float action) const {
    const float value = centre + half * action;
    const float raised = value < low ? low : value;  // NaN stays NaN
    return raised > high ? high : raised;
  }
};

}  // namespace internal
}  // namespace td7

#endif  // TD7_POLICY_LAYOUT_H_
