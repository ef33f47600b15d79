// The actions of collection, as pure functions of (seed, step): what rollouts stepped from Python
// do, to the bit. Compile with -ffp-contract=off.
//
// The draws are those of random/philox.h: stream "exploration" or "warmup", counter the number of
// steps that the environment has taken. No allocation, no error; any thread.
#ifndef TD7_POLICY_EXPLORATION_H_
#define TD7_POLICY_EXPLORATION_H_

#include <array>
#include <cstdint>

#include "random/philox.h"

namespace td7 {

// out [size] = clip(action [size] + noise * normal, -1, 1), in float32; in place if `out` is
// `action`.
inline void Explore(std::uint64_t seed, std::uint64_t env_step, float noise, const float* action,
                    int size, float* out) {
  const PhiloxStream random(seed, StreamId("exploration"), env_step);
  for (int i = 0; i < size; i += 2) {
    const std::array<double, 2> pair =
        PhiloxStream::NormalPair(random.Block(static_cast<std::uint32_t>(i / 2)));
    for (int j = i; j < size && j < i + 2; ++j) {
      const float value = action[j] + noise * static_cast<float>(pair[j == i ? 0 : 1]);
      const float raised = value < -1.0F ? -1.0F : value;  // NaN stays NaN
      out[j] = raised > 1.0F ? 1.0F : raised;
    }
  }
}

// out [size] = uniform in [-1, 1], drawn in double.
inline void WarmupAction(std::uint64_t seed, std::uint64_t env_step, int size, float* out) {
  const PhiloxStream random(seed, StreamId("warmup"), env_step);
  for (int i = 0; i < size; ++i) {
    const double uniform = random.Uniform(static_cast<std::uint32_t>(i));
    out[i] = static_cast<float>(2.0 * uniform - 1.0);
  }
}

}  // namespace td7

#endif  // TD7_POLICY_EXPLORATION_H_
