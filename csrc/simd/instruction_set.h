// Which vector instructions to use: found out when the program runs, so that one build serves every
// machine of an architecture and uses what each one has.
//
// Code for a set stands between TD7_BEGIN_TARGET and TD7_END_TARGET and is called only if
// MachineHas(set). Standard headers are included before such a stretch, never in it: an inline
// function compiled for the set would be merged with the copies that every machine runs.
//
// Header-only, so that a controller can compile policy/ by itself. Threads: all functions may be
// called at any time.
#ifndef TD7_SIMD_INSTRUCTION_SET_H_
#define TD7_SIMD_INSTRUCTION_SET_H_

#include <atomic>
#include <cassert>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define TD7_X86 1
#define TD7_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define TD7_BEGIN_TARGET(features) \
  TD7_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define TD7_END_TARGET TD7_PRAGMA(clang attribute pop)
#else
#define TD7_BEGIN_TARGET(features) \
  TD7_PRAGMA(GCC push_options)     \
  TD7_PRAGMA(GCC target(features))
#define TD7_END_TARGET TD7_PRAGMA(GCC pop_options)
#endif
#endif

namespace td7 {

// From the slowest to the fastest. kPlain is C++ as the compiler's baseline allows: SSE2 on x86-64,
// NEON on arm64. kAvx2 has FMA too, kAvx512 is F, DQ and VL.
enum class InstructionSet { kPlain, kAvx2, kAvx512 };
inline constexpr InstructionSet kInstructionSets[] = {InstructionSet::kPlain, InstructionSet::kAvx2,
                                                      InstructionSet::kAvx512};

inline const char* InstructionSetName(InstructionSet set) {
  switch (set) {
    case InstructionSet::kAvx512:
      return "avx512";
    case InstructionSet::kAvx2:
      return "avx2";
    default:
      return "plain";
  }
}

// Whether the processor and the operating system know the set.
inline bool MachineHas(InstructionSet set) {
#ifdef TD7_X86
  if (set == InstructionSet::kAvx2) {
    return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  }
  if (set == InstructionSet::kAvx512) {
    return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
           __builtin_cpu_supports("avx512vl") != 0;
  }
#endif
  return set == InstructionSet::kPlain;
}

#ifdef TD7_X86
namespace internal {

inline InstructionSet FastestInstructionSet() {
  InstructionSet best = InstructionSet::kPlain;
  for (const InstructionSet set : kInstructionSets) {
    if (MachineHas(set)) best = set;
  }
  return best;
}

inline std::atomic<InstructionSet>& InstructionSetInUse() {
  static std::atomic<InstructionSet> in_use{FastestInstructionSet()};
  return in_use;
}

}  // namespace internal
#endif

// The set in use: the fastest that the machine has, until another one is chosen.
inline InstructionSet ActiveInstructionSet() {
#ifdef TD7_X86
  return internal::InstructionSetInUse().load(std::memory_order_relaxed);
#else
  return InstructionSet::kPlain;  // no choice to keep: a microcontroller needs no guarded static
#endif
}

// Chooses the set for the whole process. The replay's results do not depend on it, a policy's do by
// about 1e-7 between kPlain and the others. REQUIRES: MachineHas(set).
inline void SetInstructionSet(InstructionSet set) {
  assert(MachineHas(set));
#ifdef TD7_X86
  internal::InstructionSetInUse().store(set, std::memory_order_relaxed);
#else
  static_cast<void>(set);
#endif
}

}  // namespace td7

#endif  // TD7_SIMD_INSTRUCTION_SET_H_
