// replay/kernels.h: every instruction set that the machine has gives the bits that the plain,
// scalar definitions give, for any number of entries. Exits with 0 if all claims hold.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "check.h"
#include "random/philox.h"
#include "replay/tree/kernels.h"

namespace td7 {
namespace {

constexpr std::size_t kGroup = ReplayKernels::kGroup;
const PhiloxStream kRandom(5, StreamId("test"), 0);

std::size_t Filled(std::size_t n) { return (n + kGroup - 1) / kGroup * kGroup; }

bool SameBits(const void* a, const void* b, std::size_t bytes) {
  return std::memcmp(a, b, bytes) == 0;
}

// Nodes of 16 weights, some zero, some far apart.
std::vector<float> Level(std::size_t nodes) {
  std::vector<float> level(16 * nodes);
  for (std::size_t i = 0; i < level.size(); ++i) {
    const auto number = static_cast<std::uint32_t>(2 * i);
    const double exponent = 180.0 * kRandom.Uniform(number) - 90.0;
    const bool zero = kRandom.Uniform(number + 1) < 0.3 && i % 16 != 5;
    level[i] = zero ? 0.0F : static_cast<float>(std::exp2(exponent));
  }
  return level;
}

// sum_tree.h, to the letter.
std::vector<double> PrefixSums(const float* x) {
  std::vector<double> p(16);
  for (std::size_t q = 0; q < 4; ++q) {
    const double before = q == 0 ? 0.0 : p[4 * q - 1];
    const auto value = [&](std::size_t i) { return static_cast<double>(x[4 * q + i]); };
    p[4 * q] = before + value(0);
    p[4 * q + 1] = before + (value(0) + value(1));
    p[4 * q + 2] = before + ((value(0) + value(1)) + value(2));
    p[4 * q + 3] = before + (((value(0) + value(1)) + value(2)) + value(3));
  }
  return p;
}

void UniformsAreThoseOfTheStream(const ReplayKernels& kernels) {
  for (const std::uint32_t first : {0U, 2U, 254U, 7U << 28, 0xFFFFFF00U}) {
    for (const std::size_t n : {1U, 2U, 15U, 16U, 17U, 255U, 256U}) {
      std::vector<double> expected(n);
      std::vector<double> uniforms(Filled(n));
      const PhiloxStream random(~std::uint64_t{0}, StreamId("replay"), std::uint64_t{3} << 32 | 9);
      random.FillUniform(first, n, expected.data());
      kernels.fill_uniforms(random, first, n, uniforms.data());
      CHECK(SameBits(uniforms.data(), expected.data(), n * sizeof(double)));
    }
  }
}

void ChildrenAreThoseOfTheDefinition(const ReplayKernels& kernels) {
  constexpr std::size_t kNodes = 300;
  const std::vector<float> level = Level(kNodes);
  std::vector<std::int64_t> nodes(Filled(16 * kNodes));
  std::vector<double> uniforms(nodes.size());
  for (std::size_t i = 0; i < 16 * kNodes; ++i) {
    // boundaries of the children and their neighbours, and the ends
    const std::vector<double> p = PrefixSums(&level[i / 16 * 16]);
    const double edge = p[i % 16] / p[15];
    const double near[3] = {std::nextafter(edge, 0.0), edge, std::nextafter(edge, 2.0)};
    const double u = near[i % 3];
    nodes[i] = static_cast<std::int64_t>(i / 16);
    uniforms[i] = u < 1.0 ? u : 1.0 - 0x1.0p-53;
  }
  const std::vector<std::int64_t> before = nodes;
  kernels.pick_children(level.data(), uniforms.data(), 16 * kNodes, nodes.data(), nullptr, false);
  for (std::size_t i = 0; i < 16 * kNodes; ++i) {
    const std::vector<double> p = PrefixSums(&level[i / 16 * 16]);
    std::size_t child = 0;
    while (!(p[child] > uniforms[i] * p[15])) ++child;
    CHECK(nodes[i] == 16 * before[i] + static_cast<std::int64_t>(child));
    CHECK(level[static_cast<std::size_t>(nodes[i])] > 0.0F);
  }
}

void TheRootIsDrawnFromAsAnyNode(const ReplayKernels& kernels) {
  const std::vector<float> level = Level(1);
  std::vector<double> uniforms(256);
  kRandom.FillUniform(0, uniforms.size(), uniforms.data());
  std::vector<std::int64_t> as_root(256, 0);
  std::vector<std::int64_t> as_any(256, 0);
  kernels.pick_children(level.data(), uniforms.data(), 256, as_root.data(), nullptr, true);
  kernels.pick_children(level.data(), uniforms.data(), 256, as_any.data(), nullptr, false);
  CHECK(as_root == as_any);
}

void SumsAreThoseOfTheDefinition(const ReplayKernels& kernels) {
  constexpr std::size_t kNodes = 96;
  const std::vector<float> level = Level(kNodes);
  std::vector<std::int64_t> nodes(kNodes);
  for (std::size_t i = 0; i < kNodes; ++i) {
    nodes[i] = static_cast<std::int64_t>(i * 7 % kNodes / 2);  // each of the first half twice
  }
  std::vector<float> parents(kNodes, -1.0F);
  kernels.sum_nodes(level.data(), nodes.data(), kNodes, parents.data());
  for (std::size_t i = 0; i < kNodes; ++i) {
    const auto total = static_cast<float>(PrefixSums(&level[16 * i])[15]);
    CHECK(parents[i] == (i < kNodes / 2 ? total : -1.0F));
  }
}

void PowersAreTheSameEverywhereAndThoseOfTheLibraryWithin1e13(const ReplayKernels& kernels) {
  std::vector<float> errors{0.0F, 0x1.0p-149F, 0x1.0p-126F, 1.0F, 0x1.fffffep+127F, 2.0F};
  for (std::uint32_t i = 0; errors.size() < 4096; ++i) {
    errors.push_back(static_cast<float>(std::exp2(270.0 * kRandom.Uniform(i) - 142.0)));
  }
  for (const double alpha : {0.0, 0.04, 0.1, 0.4, 0.5, 0.75}) {
    for (const double least : {0x1.0p-1022, 1e-300, 1e-6, 1.0, 1e6}) {
      if (std::pow(least, alpha) < 0x1.0p-96) continue;
      std::vector<float> plain(errors.size());
      std::vector<float> raised(errors.size());
      KernelsOf(InstructionSet::kPlain)
          .raise(errors.data(), errors.size(), least, alpha, plain.data());
      kernels.raise(errors.data(), errors.size(), least, alpha, raised.data());
      CHECK(SameBits(raised.data(), plain.data(), raised.size() * sizeof(float)));
      for (std::size_t i = 0; i < errors.size(); ++i) {
        const double exact = std::pow(std::max(static_cast<double>(errors[i]), least), alpha);
        // half a unit of float32, and what the power itself may be off
        CHECK(std::abs(static_cast<double>(raised[i]) - exact) <= exact * (0x1.0p-24 + 1e-13));
      }
    }
  }
}

}  // namespace
}  // namespace td7

int main() {
  for (const td7::InstructionSet set : td7::kInstructionSets) {
    if (!td7::MachineHas(set)) continue;
    std::printf("%s\n", td7::InstructionSetName(set));
    const td7::ReplayKernels& kernels = td7::KernelsOf(set);
    td7::UniformsAreThoseOfTheStream(kernels);
    td7::ChildrenAreThoseOfTheDefinition(kernels);
    td7::TheRootIsDrawnFromAsAnyNode(kernels);
    td7::SumsAreThoseOfTheDefinition(kernels);
    td7::PowersAreTheSameEverywhereAndThoseOfTheLibraryWithin1e13(kernels);
  }
  return failures == 0 ? 0 : 1;
}
