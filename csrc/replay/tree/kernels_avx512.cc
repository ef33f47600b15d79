#include "replay/tree/kernels.h"
#include "replay/tree/kernels_tables.h"

#ifdef TD7_X86
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 warns of its own headers, which leave the unused lanes of an operand undefined on purpose
// (its bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "replay/memory/prefetch.h"
#include "replay/tree/priority_power.h"

TD7_BEGIN_TARGET("avx512f,avx512dq,avx512vl")
#include "simd/lanes_avx512.h"
// the loops, for the lanes above
#include "replay/tree/kernels_lanes.h"
TD7_END_TARGET

namespace td7 {

const ReplayKernels& Avx512Kernels() { return LaneKernels<Avx512Lanes>::kTable; }

}  // namespace td7
#endif
