// The way from one body to another, in metres.
#ifndef TD7_ROLLOUT_TASKS_BODY_DISTANCE_H_
#define TD7_ROLLOUT_TASKS_BODY_DISTANCE_H_

#include <mujoco/mujoco.h>

#include <array>

namespace td7 {

inline std::array<double, 3> Between(const mjData& data, int from, int to) {
  const double* start = data.xpos + 3 * from;
  const double* end = data.xpos + 3 * to;
  return {end[0] - start[0], end[1] - start[1], end[2] - start[2]};
}

}  // namespace td7

#endif  // TD7_ROLLOUT_TASKS_BODY_DISTANCE_H_
