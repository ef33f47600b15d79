#include "replay/tree/kernels.h"

#include "replay/tree/kernels_tables.h"

namespace td7 {

const ReplayKernels& KernelsOf(InstructionSet set) {
#ifdef TD7_X86
  if (set == InstructionSet::kAvx512) return Avx512Kernels();
  if (set == InstructionSet::kAvx2) return Avx2Kernels();
#endif
  (void)set;
  return PlainKernels();
}

}  // namespace td7
