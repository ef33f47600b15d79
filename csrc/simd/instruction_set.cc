#include "simd/instruction_set.h"

#include <atomic>
#include <cassert>

namespace td7 {
namespace {

InstructionSet Fastest() {
  InstructionSet best = InstructionSet::kPlain;
  for (const InstructionSet set : kInstructionSets) {
    if (MachineHas(set)) best = set;
  }
  return best;
}

std::atomic<InstructionSet>& Active() {
  static std::atomic<InstructionSet> active{Fastest()};
  return active;
}

}  // namespace

const char* InstructionSetName(InstructionSet set) {
  switch (set) {
    case InstructionSet::kAvx512:
      return "avx512";
    case InstructionSet::kAvx2:
      return "avx2";
    default:
      return "plain";
  }
}

bool MachineHas(InstructionSet set) {
#ifdef TD7_X86
  if (set == InstructionSet::kAvx2) return __builtin_cpu_supports("avx2") != 0;
  if (set == InstructionSet::kAvx512) {
    return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
           __builtin_cpu_supports("avx512vl") != 0;
  }
#endif
  return set == InstructionSet::kPlain;
}

InstructionSet ActiveInstructionSet() { return Active().load(std::memory_order_relaxed); }

void SetInstructionSet(InstructionSet set) {
  assert(MachineHas(set));
  Active().store(set, std::memory_order_relaxed);
}

}  // namespace td7
