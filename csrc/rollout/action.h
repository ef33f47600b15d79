// An action [nu] in the precision of its caller: float32, as policies give it, or float64.
//
// Gymnasium passes both on to the task, which computes an action's cost in the action's precision.
// The pointer is used while the object lives.
#ifndef TD7_ROLLOUT_ACTION_H_
#define TD7_ROLLOUT_ACTION_H_

#include <cstdint>

#include "rollout/numpy_math.h"

namespace td7 {

class Action {
 public:
  Action(const float* values) : narrow_(values) {}  // NOLINT(google-explicit-constructor)
  Action(const double* values) : wide_(values) {}   // NOLINT(google-explicit-constructor)

  double operator[](std::int64_t i) const {
    return wide_ != nullptr ? wide_[i] : static_cast<double>(narrow_[i]);
  }

  // The action number `row` of actions [N, nu] that begin with this one.
  Action Row(std::int64_t row, std::int64_t nu) const {
    return wide_ != nullptr ? Action(wide_ + row * nu) : Action(narrow_ + row * nu);
  }

  // weight * np.sum(np.square(action)), for a weight that is a Python number.
  double Cost(double weight, std::int64_t nu) const {
    if (wide_ != nullptr) return weight * SumOfSquares(wide_, nu);
    return static_cast<double>(static_cast<float>(weight) * SumOfSquares(narrow_, nu));
  }

 private:
  const float* narrow_ = nullptr;
  const double* wide_ = nullptr;
};

}  // namespace td7

#endif  // TD7_ROLLOUT_ACTION_H_
