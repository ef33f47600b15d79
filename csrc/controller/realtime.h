// What a process can ask of the system to be on time. Linux; elsewhere each says that it cannot.
//
// All act on the calling thread or the process and return "" or, for a person, why not. Threads: at
// any time. Errors: none.
#ifndef TD7_CONTROLLER_REALTIME_H_
#define TD7_CONTROLLER_REALTIME_H_

#include <string>

namespace td7 {

// Lets waits of this thread end when they should: without, the system may add 50 us to each.
std::string SharpenTimers();

// Keeps all memory that is in use now from being paged out.
std::string LockMemory();

// SCHED_FIFO: before every thread without a priority. A loop that never waits then holds its
// processor, so it needs a rate that it can keep.
std::string TakePriority();

// Stays on that processor, counted from 0.
std::string StayOnCpu(int cpu);

}  // namespace td7

#endif  // TD7_CONTROLLER_REALTIME_H_
