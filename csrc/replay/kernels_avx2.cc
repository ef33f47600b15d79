#include "replay/kernels.h"
#include "replay/kernels_tables.h"

#ifdef TD7_X86
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "replay/prefetch.h"
#include "replay/priority_power.h"

TD7_BEGIN_TARGET("avx2")
#include "simd/lanes_avx2.h"
// the loops, for the lanes above
#include "replay/kernels_lanes.h"
TD7_END_TARGET

namespace td7 {

const ReplayKernels& Avx2Kernels() { return LaneKernels<Avx2Lanes>::kTable; }

}  // namespace td7
#endif
