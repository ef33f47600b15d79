// The forward pass of a packed policy under each instruction set; policy.h is what to include.
#ifndef TD7_POLICY_FORWARD_H_
#define TD7_POLICY_FORWARD_H_

#include "simd/instruction_set.h"

#ifdef TD7_X86
#include <immintrin.h>
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "policy/packed_layer.h"
#include "simd/floats_plain.h"

#ifdef __FAST_MATH__
#error "a row's bits would depend on its batch: compile without -ffast-math"
#endif
#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "NaN would not stay NaN: compile without -ffinite-math-only"
#endif

namespace td7 {

template <typename Weight>
struct PackedPolicy {
  PackedLayer<Weight> zs1, zs2, zs3, l0, l1, l2, l3;
};

// Working memory for a block of rows: twice a layer's outputs, and the actor's concatenation; the
// rows of each are a stride apart.
struct PolicyMemory {
  float* first;
  float* second;
  float* both;
  std::ptrdiff_t hidden_stride;
  std::ptrdiff_t both_stride;
};

namespace policy_plain {
using Floats = PlainFloats;
#include "policy/forward_lanes.h"
}  // namespace policy_plain

}  // namespace td7

#ifdef TD7_X86
TD7_BEGIN_TARGET("avx2,fma")
#include "simd/floats_avx2.h"
namespace td7 {
namespace policy_avx2 {
using Floats = Avx2Floats;
#include "policy/forward_lanes.h"
}  // namespace policy_avx2
}  // namespace td7
TD7_END_TARGET

TD7_BEGIN_TARGET("avx512f,avx512dq,avx512vl")
#include "simd/floats_avx512.h"
namespace td7 {
namespace policy_avx512 {
using Floats = Avx512Floats;
#include "policy/forward_lanes.h"
}  // namespace policy_avx512
}  // namespace td7
TD7_END_TARGET
#endif

namespace td7 {

// action [rows, A] of obs [rows, S], by the instruction set in use.
template <typename Weight>
void ForwardAction(const PackedPolicy<Weight>& policy, const float* obs, int rows,
                   const PolicyMemory& memory, float* action) {
  switch (ActiveInstructionSet()) {
#ifdef TD7_X86
    case InstructionSet::kAvx512:
      return policy_avx512::Network<Weight>::Action(policy, obs, rows, memory, action);
    case InstructionSet::kAvx2:
      return policy_avx2::Network<Weight>::Action(policy, obs, rows, memory, action);
#endif
    default:
      return policy_plain::Network<Weight>::Action(policy, obs, rows, memory, action);
  }
}

// zs [rows, Z] of obs [rows, S], by the instruction set in use.
template <typename Weight>
void ForwardZs(const PackedPolicy<Weight>& policy, const float* obs, int rows,
               const PolicyMemory& memory, float* zs) {
  switch (ActiveInstructionSet()) {
#ifdef TD7_X86
    case InstructionSet::kAvx512:
      return policy_avx512::Network<Weight>::Zs(policy, obs, rows, memory, zs);
    case InstructionSet::kAvx2:
      return policy_avx2::Network<Weight>::Zs(policy, obs, rows, memory, zs);
#endif
    default:
      return policy_plain::Network<Weight>::Zs(policy, obs, rows, memory, zs);
  }
}

}  // namespace td7

#endif  // TD7_POLICY_FORWARD_H_
