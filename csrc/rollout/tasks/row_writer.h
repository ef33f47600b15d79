// Fills a row of numbers from the left: an observation or an info row.
#ifndef TD7_ROLLOUT_TASKS_ROW_WRITER_H_
#define TD7_ROLLOUT_TASKS_ROW_WRITER_H_

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "rollout/numpy_math.h"

namespace td7 {

class RowWriter {
 public:
  // The row is the caller's and long enough.
  explicit RowWriter(double* row) : next_(row) {}

  void Add(std::initializer_list<double> numbers) {
    next_ = std::copy(numbers.begin(), numbers.end(), next_);
  }

  // x[first], ..., x[n - 1]
  void AddFrom(std::int64_t first, const double* x, std::int64_t n) {
    next_ = std::copy(x + first, x + n, next_);
  }

  void AddClipped(std::int64_t first, const double* x, std::int64_t n, double low, double high) {
    for (std::int64_t i = first; i < n; ++i) *next_++ = Clip(x[i], low, high);
  }

 private:
  double* next_;
};

}  // namespace td7

#endif  // TD7_ROLLOUT_TASKS_ROW_WRITER_H_
