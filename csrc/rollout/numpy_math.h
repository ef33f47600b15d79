// What numpy computes, to the bit: the order of its sums, its clip, its norm, its scalar power.
//
// Compile with -ffp-contract=off: only the norm may fuse a multiplication with an addition.
#ifndef TD7_ROLLOUT_NUMPY_MATH_H_
#define TD7_ROLLOUT_NUMPY_MATH_H_

#include <atomic>
#include <cmath>
#include <cstdint>

namespace td7 {

namespace internal {

// value(first) + ... + value(first + n - 1) in the order of numpy's pairwise sum: in sequence below
// 8; up to 128 eight partial sums, then what is left; above that both halves on their own.
template <typename T, typename Value>
T PairwiseSum(const Value& value, std::int64_t first, std::int64_t n) {
  if (n < 8) {
    T sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += value(first + i);
    return sum;
  }
  if (n <= 128) {
    T r[8];
    for (int j = 0; j < 8; ++j) r[j] = value(first + j);
    std::int64_t i = 8;
    for (; i < n - n % 8; i += 8) {
      for (int j = 0; j < 8; ++j) r[j] += value(first + i + j);
    }
    T sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    for (; i < n; ++i) sum += value(first + i);
    return sum;
  }
  const std::int64_t half = n / 2 - n / 2 % 8;
  return PairwiseSum<T>(value, first, half) + PairwiseSum<T>(value, first + half, n - half);
}

}  // namespace internal

// np.sum of a contiguous array x [n].
template <typename T>
T Sum(const T* x, std::int64_t n) {
  return T{0} + internal::PairwiseSum<T>([x](std::int64_t i) { return x[i]; }, 0, n);
}

// np.sum(np.square(x)) of a contiguous array x [n], in its own precision.
template <typename T>
T SumOfSquares(const T* x, std::int64_t n) {
  return internal::PairwiseSum<T>([x](std::int64_t i) { return x[i] * x[i]; }, 0, n);
}

// np.clip(x, low, high) for bounds that are not NaN; NaN stays NaN, and high wins over low.
inline double Clip(double x, double low, double high) {
  if (x < low) x = low;
  return x > high ? high : x;
}

// np.sum(np.square(np.clip(x, low, high))) of a contiguous array x [n].
inline double SumOfClippedSquares(const double* x, std::int64_t n, double low, double high) {
  const auto square = [=](std::int64_t i) {
    const double clipped = Clip(x[i], low, high);
    return clipped * clipped;
  };
  return internal::PairwiseSum<double>(square, 0, n);
}

// x . x of x [n], to be called from any thread.
using SquaredNorm = double (*)(const double* x, std::int64_t n);

// x . x, added fused and in order, as OpenBLAS does on processors with AVX-512. On others it takes
// another order or rounds each product, so the last bit may differ there.
inline double FusedSquaredNorm(const double* x, std::int64_t n) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < n; ++i) sum = std::fma(x[i], x[i], sum);
  return sum;
}

namespace internal {

inline std::atomic<SquaredNorm>& SquaredNormInUse() {
  static std::atomic<SquaredNorm> in_use{&FusedSquaredNorm};
  return in_use;
}

}  // namespace internal

// Chooses how Norm adds, for the whole process. The Python extension passes the routine that numpy
// itself calls (bindings/bind_numpy.cc); a program without numpy keeps FusedSquaredNorm.
inline void SetSquaredNorm(SquaredNorm squared_norm) {
  internal::SquaredNormInUse().store(squared_norm, std::memory_order_relaxed);
}

// np.linalg.norm of x [n].
inline double Norm(const double* x, std::int64_t n) {
  return std::sqrt(internal::SquaredNormInUse().load(std::memory_order_relaxed)(x, n));
}

// np.float64(x) ** 2, which is the C library's pow: now and then not x * x in the last bit.
inline double SecondPower(double x) {
  volatile double two = 2.0;  // or compilers turn it into x * x
  return std::pow(x, two);
}

}  // namespace td7

#endif  // TD7_ROLLOUT_NUMPY_MATH_H_
