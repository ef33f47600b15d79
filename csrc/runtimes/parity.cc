#include "runtimes/parity.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "NaN would pass for an action: compile without -ffinite-math-only and -ffast-math"
#endif

namespace td7 {

namespace {

// In float32, as td7.deploy.verify has it.
float UnitOf(float low, float high) {
  const float most = std::max(std::abs(low), std::abs(high));
  const float rounding = std::nextafter(most, std::numeric_limits<float>::infinity()) - most;
  return std::max((high - low) / 2, rounding * 1e5f);
}

}  // namespace

double ActionError(ControllerPolicy* policy, const Bundle& bundle, const BundleVectors& vectors) {
  const std::string name = policy->name();
  if (policy->obs_size() != bundle.obs_size() || policy->action_size() != bundle.action_size()) {
    throw std::runtime_error(name + " is of other sizes than the bundle");
  }
  const auto obs_size = static_cast<std::size_t>(bundle.obs_size());
  const std::size_t size = bundle.low().size();
  std::vector<float> action(size);
  float most = 0.0f;
  for (std::size_t row = 0; row < static_cast<std::size_t>(vectors.count); ++row) {
    if (!policy->Act(vectors.obs.data() + row * obs_size, action.data())) {
      throw std::runtime_error(name + " failed on test vector " + std::to_string(row));
    }
    for (std::size_t i = 0; i < size; ++i) {
      const float unit = UnitOf(bundle.low()[i], bundle.high()[i]);
      const float error = std::abs(action[i] - vectors.actions[row * size + i]) / unit;
      if (std::isnan(error)) return std::numeric_limits<double>::infinity();
      most = std::max(most, error);
    }
  }
  return most;
}

double AllowedError(const ControllerPolicy& policy, const Bundle& bundle) {
  return bundle.action_error(policy.name()).value_or(bundle.tolerance());
}

}  // namespace td7
