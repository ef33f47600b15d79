#include "replay/kernels.h"
#include "replay/kernels_tables.h"
#include "replay/prefetch.h"
#include "replay/priority_power.h"
#include "simd/lanes_plain.h"
// the loops, for the lanes above
#include "replay/kernels_lanes.h"

namespace td7 {

const ReplayKernels& PlainKernels() { return LaneKernels<PlainLanes>::kTable; }

}  // namespace td7
