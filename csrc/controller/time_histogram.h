// How often a time was how long: counts in fixed buckets, so that adding one allocates nothing.
//
// Nanoseconds up to 63 have a bucket each; above, 32 buckets for each power of two, none wider than
// 1/32 of what is in it. Threads: one at a time. Errors: none.
#ifndef TD7_CONTROLLER_TIME_HISTOGRAM_H_
#define TD7_CONTROLLER_TIME_HISTOGRAM_H_

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace td7 {

class TimeHistogram {
 public:
  static constexpr std::size_t kBuckets = 59 * 32;  // of every time that an int64 can hold

  // Times below 0 count as 0.
  void Add(std::int64_t ns) noexcept {
    const std::int64_t time = std::max<std::int64_t>(ns, 0);
    ++counts_[BucketOf(time)];
    ++total_;
    max_ = std::max(max_, time);
  }

  std::int64_t total() const noexcept { return total_; }
  std::int64_t max() const noexcept { return max_; }  // exact; 0 of nothing
  std::int64_t count(std::size_t bucket) const noexcept { return counts_[bucket]; }

  // The bucket's largest time.
  static std::int64_t UpperEdge(std::size_t bucket) noexcept {
    const std::size_t shift = bucket < 64 ? 0 : bucket / 32 - 1;
    const std::uint64_t leading = bucket - 32 * shift;
    return static_cast<std::int64_t>(((leading + 1) << shift) - 1);
  }

  // What at least the share 0 < `share` <= 1 of the times do not exceed: the edge of a bucket, or
  // the largest time; 0 of nothing.
  std::int64_t Percentile(double share) const noexcept {
    const double rank = std::max(std::ceil(share * static_cast<double>(total_)), 1.0);
    std::int64_t seen = 0;
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
      seen += counts_[bucket];
      if (static_cast<double>(seen) >= rank) return std::min(UpperEdge(bucket), max_);
    }
    return max_;
  }

 private:
  static std::size_t BucketOf(std::int64_t time) noexcept {
    std::size_t shift = 0;
    while ((time >> shift) >= 64) ++shift;
    return 32 * shift + static_cast<std::size_t>(time >> shift);
  }

  std::array<std::int64_t, kBuckets> counts_{};
  std::int64_t total_ = 0;
  std::int64_t max_ = 0;
};

}  // namespace td7

#endif  // TD7_CONTROLLER_TIME_HISTOGRAM_H_
