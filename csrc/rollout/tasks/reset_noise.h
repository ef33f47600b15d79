// Noise on the initial state, drawn as Gymnasium does: x [n] += noise.
#ifndef TD7_ROLLOUT_TASKS_RESET_NOISE_H_
#define TD7_ROLLOUT_TASKS_RESET_NOISE_H_

#include <cstdint>

#include "rollout/numpy_generator.h"

namespace td7 {

inline void AddUniformNoise(double scale, double* x, std::int64_t n, NumpyGenerator* random) {
  for (std::int64_t i = 0; i < n; ++i) x[i] += random->Uniform(-scale, scale);
}

inline void AddNormalNoise(double scale, double* x, std::int64_t n, NumpyGenerator* random) {
  for (std::int64_t i = 0; i < n; ++i) x[i] += scale * random->StandardNormal();
}

}  // namespace td7

#endif  // TD7_ROLLOUT_TASKS_RESET_NOISE_H_
