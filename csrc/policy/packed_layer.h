// How a linear layer's weights lie in memory: in the order in which they are used.
//
// Outputs come in panels of 32, a vector lane for each. A panel is its 32 biases and then, for one
// input after another, the 32 weights from that input: the first 16 outputs and the last 16, or, in
// bfloat16, 16 pairs of output i and output i + 16. Outputs beyond the layer's are zeros.
//
//   float32    b0 .. b31 | w[0][0] .. w[31][0] | w[0][1] .. w[31][1] | ...
//   bfloat16   b0 .. b31 | (w[0][0], w[16][0]) .. (w[15][0], w[31][0]) | ...
//
// Both are words of four bytes, and every run of 16 words begins at a multiple of 64 bytes.
#ifndef TD7_POLICY_PACKED_LAYER_H_
#define TD7_POLICY_PACKED_LAYER_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "simd/floats_plain.h"

namespace td7 {

inline constexpr int kPanel = 32;

// Rounds up to a whole number of panels.
constexpr int WholePanels(int outputs) { return (outputs + kPanel - 1) / kPanel * kPanel; }

// Four-byte words that an input takes in a panel.
template <typename Weight>
inline constexpr int kWordsPerInput = kPanel;
template <>
inline constexpr int kWordsPerInput<Bfloat16Pair> = kPanel / 2;

template <typename Weight>
struct PackedLayer {
  int inputs = 0;
  int outputs = 0;
  float* words = nullptr;

  constexpr int panels() const { return WholePanels(outputs) / kPanel; }
  constexpr std::size_t panel_words() const {
    return kPanel + static_cast<std::size_t>(inputs) * kWordsPerInput<Weight>;
  }
  constexpr std::size_t size() const { return static_cast<std::size_t>(panels()) * panel_words(); }

  const float* bias(int panel) const {
    return words + static_cast<std::size_t>(panel) * panel_words();
  }
  const Weight* weights(int panel) const {
    return reinterpret_cast<const Weight*>(bias(panel) + kPanel);
  }
};

// The upper half of x, rounded to the nearest with ties to even. NaN stays NaN.
inline std::uint32_t RoundToBfloat16(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  if (x != x) return bits >> 16 | 0x40U;
  return (bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16;
}

namespace internal {

inline void StoreWeight(float weight, int output, float* input_words) {
  input_words[output] = weight;
}

inline void StoreWeight(float weight, int output, Bfloat16Pair* input_words) {
  std::uint32_t& halves = input_words[output % 16].halves;
  const std::uint32_t bits = RoundToBfloat16(weight);
  halves = output < 16 ? (halves & 0xFFFF0000U) | bits : (halves & 0xFFFFU) | bits << 16;
}

}  // namespace internal

// Fills layer.words [size()], which are zeros or a layer of the same size, from weight
// [outputs, inputs] and bias [outputs].
template <typename Weight>
void Pack(const float* weight, const float* bias, const PackedLayer<Weight>& layer) {
  for (int output = 0; output < layer.outputs; ++output) {
    float* const panel =
        layer.words + static_cast<std::size_t>(output / kPanel) * layer.panel_words();
    auto* to = reinterpret_cast<Weight*>(panel + kPanel);
    panel[output % kPanel] = bias[output];
    for (int input = 0; input < layer.inputs; ++input, to += kWordsPerInput<Weight>) {
      internal::StoreWeight(*weight++, output % kPanel, to);
    }
  }
}

}  // namespace td7

#endif  // TD7_POLICY_PACKED_LAYER_H_
