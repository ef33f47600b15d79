// The policy's definition in double, to the letter, and weights for it.
#ifndef TD7_TESTS_CPP_POLICY_TWIN_H_
#define TD7_TESTS_CPP_POLICY_TWIN_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "policy/policy.h"
#include "random/philox.h"

namespace td7 {

using Floats = std::vector<float>;

// Normals with a standard deviation of `scale`, other ones for every `counter`.
inline Floats Normals(std::uint64_t counter, int n, double scale) {
  Floats x(static_cast<std::size_t>(n));
  PhiloxStream(1, StreamId("test"), counter).FillNormal(x.size(), x.data());
  for (float& v : x) v *= static_cast<float>(scale);
  return x;
}

// A policy's weights, made from a number.
struct Weights {
  Weights(const PolicySizes& sizes, std::uint64_t seed) : counter(100 * seed) {
    const auto [s, a, z, hs, ha] = sizes;
    for (const auto& [in, out] :
         {Pair{s, hs}, {hs, hs}, {hs, z}, {s, ha}, {ha + z, ha}, {ha, ha}, {ha, a}}) {
      weight.push_back(Normals(counter++, in * out, 1.0 / std::sqrt(in)));
      bias.push_back(Normals(counter++, out, 0.3));
    }
    low = Normals(counter++, a, 0.2);
    high = Normals(counter++, a, 0.2);
    for (float& v : low) v = -1.0F - std::abs(v);
    for (float& v : high) v = 3.0F + std::abs(v);
  }

  PolicyWeights pointers() const {
    const auto layer = [this](std::size_t i) {
      return LinearWeights{weight[i].data(), bias[i].data()};
    };
    return {layer(0), layer(1), layer(2),   layer(3),   layer(4),
            layer(5), layer(6), low.data(), high.data()};
  }

  struct Pair {
    int in, out;
  };
  std::uint64_t counter;
  std::vector<Floats> weight, bias;
  Floats low, high;
};

using Doubles = std::vector<double>;

inline Doubles Layer(const Floats& weight, const Floats& bias, const Doubles& x, bool rounded) {
  Doubles out;
  for (std::size_t o = 0; o < bias.size(); ++o) {
    double sum = static_cast<double>(bias[o]);
    for (std::size_t k = 0; k < x.size(); ++k) {
      float w = weight[o * x.size() + k];
      const std::uint32_t upper = RoundToBfloat16(w) << 16;
      if (rounded) std::memcpy(&w, &upper, sizeof w);
      sum += static_cast<double>(w) * x[k];
    }
    out.push_back(sum);
  }
  return out;
}

inline Doubles Elu(Doubles x) {
  for (double& v : x) v = v > 0 ? v : std::expm1(v);
  return x;
}

inline Doubles Relu(Doubles x) {
  for (double& v : x) v = v > 0 ? v : 0.0;
  return x;
}

inline Doubles AvgL1Norm(Doubles x) {
  double sum = 0.0;
  for (const double v : x) sum += std::abs(v);
  const double mean = std::max(sum / static_cast<double>(x.size()), 1e-8);
  for (double& v : x) v /= mean;
  return x;
}

inline Doubles ReferenceZs(const Weights& w, const Doubles& obs, bool rounded) {
  Doubles h = Elu(Layer(w.weight[0], w.bias[0], obs, rounded));
  h = Elu(Layer(w.weight[1], w.bias[1], h, rounded));
  return AvgL1Norm(Layer(w.weight[2], w.bias[2], h, rounded));
}

inline Doubles Reference(const Weights& w, const Doubles& obs, bool rounded) {
  const Doubles zs = ReferenceZs(w, obs, rounded);
  Doubles h = AvgL1Norm(Layer(w.weight[3], w.bias[3], obs, rounded));
  h.insert(h.end(), zs.begin(), zs.end());
  h = Relu(Layer(w.weight[4], w.bias[4], h, rounded));
  h = Relu(Layer(w.weight[5], w.bias[5], h, rounded));
  h = Layer(w.weight[6], w.bias[6], h, rounded);
  for (double& v : h) v = std::tanh(v);
  return h;
}

inline double Difference(const Doubles& wanted, const float* got) {
  double most = 0.0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    most = std::max(most, std::abs(wanted[i] - static_cast<double>(got[i])));
  }
  return most;
}

}  // namespace td7

#endif  // TD7_TESTS_CPP_POLICY_TWIN_H_
