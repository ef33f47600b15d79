// The inner loops of the replay, one table for each instruction set, with the same bits from all.
//
// Every table is made from the one source in kernels_lanes.h by way of the lanes of simd/. Arrays
// of `n` entries are worked on in whole groups: they must have room for n rounded up to kGroup, and
// where they are read, the entries beyond n must be allowed values (a repeated one will do).
//
// Threads: pure functions of their arguments.
#ifndef TD7_REPLAY_TREE_KERNELS_H_
#define TD7_REPLAY_TREE_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "random/philox.h"
#include "simd/instruction_set.h"

namespace td7 {

struct ReplayKernels {
  static constexpr std::size_t kGroup = 16;

  // uniforms[i] = random.Uniform(first + i). REQUIRES: first is even.
  void (*fill_uniforms)(const PhiloxStream& random, std::uint32_t first, std::size_t n,
                        double* uniforms);

  // nodes[i] = 16 nodes[i] + the child of node nodes[i] of `level` that uniforms[i] picks
  // (sum_tree.h). Starts loading the node of that number in `below`, if it is not null.
  // `root`: nodes[i] is 0 for all i.
  void (*pick_children)(const float* level, const double* uniforms, std::size_t n,
                        std::int64_t* nodes, const float* below, bool root);

  // parents[nodes[i]] = the sum of node nodes[i] of `level` (sum_tree.h). Equal nodes are allowed.
  void (*sum_nodes)(const float* level, const std::int64_t* nodes, std::size_t n, float* parents);

  // priority[i] = max(error[i], least)^alpha, in double and rounded once (priority_power.h).
  // REQUIRES: error finite, not negative; least a positive normal number; 0 <= alpha <= 1.
  void (*raise)(const float* error, std::size_t n, double least, double alpha, float* priority);
};

// The table of a set. REQUIRES: MachineHas(set).
const ReplayKernels& KernelsOf(InstructionSet set);

inline const ReplayKernels& ActiveKernels() { return KernelsOf(ActiveInstructionSet()); }

}  // namespace td7

#endif  // TD7_REPLAY_TREE_KERNELS_H_
