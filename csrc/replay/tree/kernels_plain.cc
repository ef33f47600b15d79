#include "replay/memory/prefetch.h"
#include "replay/tree/kernels.h"
#include "replay/tree/kernels_tables.h"
#include "replay/tree/priority_power.h"
#include "simd/lanes_plain.h"
// the loops, for the lanes above
#include "replay/tree/kernels_lanes.h"

namespace td7 {

const ReplayKernels& PlainKernels() { return LaneKernels<PlainLanes>::kTable; }

}  // namespace td7
