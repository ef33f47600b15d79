#include "replay/tree/kernels.h"
#include "replay/tree/kernels_tables.h"

#ifdef TD7_X86
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "replay/memory/prefetch.h"
#include "replay/tree/priority_power.h"

TD7_BEGIN_TARGET("avx2")
#include "simd/lanes_avx2.h"
// the loops, for the lanes above
#include "replay/tree/kernels_lanes.h"
TD7_END_TARGET

namespace td7 {

const ReplayKernels& Avx2Kernels() { return LaneKernels<Avx2Lanes>::kTable; }

}  // namespace td7
#endif
