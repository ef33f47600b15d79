// How long single calls of a policy take, and whether they allocate.
//
// Threads: one at a time. Errors: std::bad_alloc before the first call; MeasureLatency throws
// std::runtime_error if a call fails.
#ifndef TD7_PROGRAMS_LATENCY_H_
#define TD7_PROGRAMS_LATENCY_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "bundle/bundle.h"
#include "runtimes/controller_policy.h"

namespace td7 {

// Microseconds; the percentiles are times of calls that took place (nearest rank).
struct Latency {
  double p50 = 0.0;
  double p99 = 0.0;
  double p999 = 0.0;
  double max = 0.0;
  double allocations_per_call = 0.0;
};

// Times `calls` >= 1 calls, each on the next test vector, after a tenth as many to warm up. A time
// includes reading the clock, some 20 ns.
Latency MeasureLatency(ControllerPolicy* policy, const BundleVectors& vectors, int calls);

// The smallest of `sorted`, which holds something, that at least the share 0 < `share` <= 1 of them
// do not exceed.
inline double Percentile(const std::vector<double>& sorted, double share) {
  const double rank = std::ceil(share * static_cast<double>(sorted.size()));
  return sorted[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

}  // namespace td7

#endif  // TD7_PROGRAMS_LATENCY_H_
