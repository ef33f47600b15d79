// In what a policy's weights are kept.
#ifndef TD7_POLICY_PRECISION_H_
#define TD7_POLICY_PRECISION_H_

namespace td7 {

enum class Precision {
  kFloat32,
  // Weights alone, rounded to the nearest; biases, activations and sums are float32. Half the
  // memory to read; moves an action by some thousandths.
  kBfloat16,
};

}  // namespace td7

#endif  // TD7_POLICY_PRECISION_H_
