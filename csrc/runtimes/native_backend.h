// The policy in C++ (policy/policy.h) from a bundle's policy.safetensors; needs no library.
//
// Act neither allocates, locks nor throws, and cannot fail. It uses the fastest instruction set
// that the machine has (simd/instruction_set.h).
#ifndef TD7_RUNTIMES_NATIVE_BACKEND_H_
#define TD7_RUNTIMES_NATIVE_BACKEND_H_

#include <memory>

#include "bundle/bundle.h"
#include "policy/precision.h"
#include "runtimes/controller_policy.h"

namespace td7 {

// Whether the bundle's policy is one that policy/policy.h computes: with an encoder. Throws
// std::runtime_error, naming the file, if the weights cannot be read.
bool HoldsNativePolicy(const Bundle& bundle);

// Named "native", or "native-bf16" with weights in bfloat16: half the memory to read, and actions
// off by what bundle.action_error("native-bf16") tells. Throws std::runtime_error, naming the file,
// if the weights are not those of such a policy of the manifest's sizes and bounds.
std::unique_ptr<ControllerPolicy> MakeNativePolicy(const Bundle& bundle, Precision precision);

}  // namespace td7

#endif  // TD7_RUNTIMES_NATIVE_BACKEND_H_
