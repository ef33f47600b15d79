// rollout/numpy_math.h: sums and norms written down from numpy, and the edges of clip. Exits with 0
// if all claims hold.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "check.h"
#include "rollout/numpy_math.h"

namespace td7 {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// 1 / (i + 1), its sign in turn, plus (i % 7) * 1000 / 3
std::vector<double> Numbers(std::size_t n) {
  std::vector<double> x(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double sign = i % 2 == 0 ? 1.0 : -1.0;
    x[i] = 1.0 / static_cast<double>(i + 1) * sign + static_cast<double>(i % 7) * 1e3 / 3.0;
  }
  return x;
}

struct Known {
  std::size_t n;
  double sum;        // of the numbers
  double float_sum;  // of them as float32
  double float_squares;
};

constexpr Known kKnown[] = {
    {0, 0.0, 0.0, 0.0},
    {1, 1.0, 1.0, 1.0},
    {7, 0x1.b58c270270270p+12, 0x1.b58c280000000p+12, 0x1.3492500000000p+23},
    {8, 0x1.b58a270270270p+12, 0x1.b58a260000000p+12, 0x1.3492520000000p+23},
    {9, 0x1.ca61437437437p+12, 0x1.ca61420000000p+12, 0x1.37f6f40000000p+23},
    {15, 0x1.b585cd8fc1b65p+13, 0x1.b585cc0000000p+13, 0x1.34912e0000000p+24},
    {16, 0x1.bfeff83a6c60fp+13, 0x1.bfeff80000000p+13, 0x1.36430c0000000p+24},
    {127, 0x1.ec30b27317f5dp+16, 0x1.ec30b20000000p+16, 0x1.5b233c0000000p+27},
    {128, 0x1.ed7e05c86d4b2p+16, 0x1.ed7e040000000p+16, 0x1.5b59780000000p+27},
    {129, 0x1.f018b26f1fe5ep+16, 0x1.f018b40000000p+16, 0x1.5c32800000000p+27},
    {136, 0x1.05b8584104e50p+17, 0x1.05b8580000000p+17, 0x1.6f7b900000000p+27},
    {257, 0x1.f2b303a357260p+17, 0x1.f2b3020000000p+17, 0x1.5e51020000000p+28},
    {1000, 0x1.e7cb162a2af1cp+19, 0x1.e7cb160000000p+19, 0x1.57c5ec0000000p+30},
};

void SumsAreThoseOfNumpy() {
  for (const Known& known : kKnown) {
    const std::vector<double> x = Numbers(known.n);
    const std::vector<float> narrow(x.begin(), x.end());
    const auto n = static_cast<std::int64_t>(known.n);
    CHECK(Sum(x.data(), n) == known.sum);
    CHECK(static_cast<double>(Sum(narrow.data(), n)) == known.float_sum);
    CHECK(static_cast<double>(SumOfSquares(narrow.data(), n)) == known.float_squares);
  }
}

void SumsDoNotEndAtNegativeZero() {
  const std::vector<double> zeros(20, -0.0);
  for (const std::int64_t n : {0, 1, 8, 20}) CHECK(!std::signbit(Sum(zeros.data(), n)));
}

void ClippedSquaresAreTheSquaresOfClippedNumbers() {
  for (const std::size_t n : {std::size_t{5}, std::size_t{84}, std::size_t{300}}) {
    const std::vector<double> x = Numbers(n);
    std::vector<double> clipped = x;
    for (double& number : clipped) number = std::fmin(std::fmax(number, 0.3), 700.0);
    const auto count = static_cast<std::int64_t>(n);
    CHECK(SumOfClippedSquares(x.data(), count, 0.3, 700.0) == SumOfSquares(clipped.data(), count));
  }
}

void ClipKeepsNanAndTheSignOfZero() {
  CHECK(Clip(3.0, -1.0, 1.0) == 1.0);
  CHECK(Clip(-3.0, -1.0, 1.0) == -1.0);
  CHECK(Clip(0.5, -1.0, 1.0) == 0.5);
  CHECK(Clip(-kInfinity, -kInfinity, 1.0) == -kInfinity);
  CHECK(std::isnan(Clip(kNan, -1.0, 1.0)));
  CHECK(std::signbit(Clip(-0.0, 0.0, 1.0)));
  CHECK(Clip(5.0, 3.0, 1.0) == 1.0);
}

void NormsAreAddedFusedUnlessAnotherRoutineIsChosen() {
  const double x[] = {-1.07, 0.56, -0.53};
  CHECK(Norm(x, 3) == 0x1.51a103e36d2e9p+0);
  CHECK(Norm(x, 3) != std::sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2]));
  CHECK(Norm(x, 1) == 1.07);
  CHECK(Norm(x, 0) == 0.0);
  SetSquaredNorm([](const double* values, std::int64_t n) { return SumOfSquares(values, n); });
  CHECK(Norm(x, 3) == std::sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2]));
  SetSquaredNorm(&FusedSquaredNorm);
  CHECK(Norm(x, 3) == 0x1.51a103e36d2e9p+0);
}

}  // namespace
}  // namespace td7

int main() {
  td7::SumsAreThoseOfNumpy();
  td7::SumsDoNotEndAtNegativeZero();
  td7::ClippedSquaresAreTheSquaresOfClippedNumbers();
  td7::ClipKeepsNanAndTheSignOfZero();
  td7::NormsAreAddedFusedUnlessAnotherRoutineIsChosen();
  return failures == 0 ? 0 : 1;
}
