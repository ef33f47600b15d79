// Which vector instructions to use: found out when the program runs, so that one build serves every
// machine of an architecture and uses what each one has.
//
// Code for a set stands between TD7_BEGIN_TARGET and TD7_END_TARGET and is called only if
// MachineHas(set). Standard headers are included before such a stretch, never in it: an inline
// function compiled for the set would be merged with the copies that every machine runs.
//
// Threads: all functions may be called at any time.
#ifndef TD7_SIMD_INSTRUCTION_SET_H_
#define TD7_SIMD_INSTRUCTION_SET_H_

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
// NEON on arm64.
enum class InstructionSet { kPlain, kAvx2, kAvx512 };
inline constexpr InstructionSet kInstructionSets[] = {InstructionSet::kPlain, InstructionSet::kAvx2,
                                                      InstructionSet::kAvx512};

const char* InstructionSetName(InstructionSet set);  // "plain", "avx2", "avx512"

// Whether the processor and the operating system know the set.
bool MachineHas(InstructionSet set);

// The set in use: the fastest that the machine has, until another one is chosen.
InstructionSet ActiveInstructionSet();

// Chooses the set for the whole process; results do not depend on it. REQUIRES: MachineHas(set).
void SetInstructionSet(InstructionSet set);

}  // namespace td7

#endif  // TD7_SIMD_INSTRUCTION_SET_H_
