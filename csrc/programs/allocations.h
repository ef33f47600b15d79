// Counts allocations of the whole program, whoever makes them; for programs alone, since linking
// allocations.cc replaces the program's malloc (glibc) or operator new (elsewhere, and
// under sanitizers, which have a malloc of their own).
//
// Threads: at any time; all threads are counted together. Errors: none.
#ifndef TD7_PROGRAMS_ALLOCATIONS_H_
#define TD7_PROGRAMS_ALLOCATIONS_H_

#include <cstdint>

namespace td7 {

// Calls so far.
std::int64_t Allocations();

}  // namespace td7

#endif  // TD7_PROGRAMS_ALLOCATIONS_H_
