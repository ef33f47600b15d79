#include "programs/latency.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "programs/allocations.h"

namespace td7 {

Latency MeasureLatency(ControllerPolicy* policy, const BundleVectors& vectors, int calls) {
  using Clock = std::chrono::steady_clock;
  const auto width = static_cast<std::size_t>(policy->obs_size());
  const auto count = static_cast<std::size_t>(vectors.count);
  const auto timed = static_cast<std::size_t>(calls);
  const std::size_t warm_ups = timed / 10 + 1;
  std::vector<float> action(static_cast<std::size_t>(policy->action_size()));
  std::vector<double> times(timed);
  bool acted = true;
  std::int64_t before = 0;
  for (std::size_t i = 0; i < warm_ups + timed; ++i) {
    if (i == warm_ups) before = Allocations();
    const float* const obs = vectors.obs.data() + i % count * width;
    const Clock::time_point start = Clock::now();
    acted = policy->Act(obs, action.data()) && acted;
    const std::chrono::duration<double, std::micro> took = Clock::now() - start;
    if (i >= warm_ups) times[i - warm_ups] = took.count();
  }
  const std::int64_t allocations = Allocations() - before;
  if (!acted) throw std::runtime_error(std::string(policy->name()) + " failed in a timed call");
  std::sort(times.begin(), times.end());
  return {Percentile(times, 0.5), Percentile(times, 0.99), Percentile(times, 0.999), times.back(),
          static_cast<double>(allocations) / static_cast<double>(timed)};
}

}  // namespace td7
