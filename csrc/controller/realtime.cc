#include "controller/realtime.h"

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <cerrno>
#include <cstring>
#endif

namespace td7 {

#if defined(__linux__)

namespace {

constexpr int kPriority = 50;  // of 1 to 99; the kernel's own threads have 50 and more

std::string Told(const char* what, int error) {
  return error == 0 ? "" : std::string(what) + ": " + std::strerror(error);
}

}  // namespace

std::string SharpenTimers() {
  return Told("timers are not sharp", prctl(PR_SET_TIMERSLACK, 1UL) == 0 ? 0 : errno);
}

std::string LockMemory() {
  // not what is to come: where the limit is low, that would let allocations fail
  return Told("memory is not locked", mlockall(MCL_CURRENT) == 0 ? 0 : errno);
}

std::string TakePriority() {
  sched_param parameter{};
  parameter.sched_priority = kPriority;
  return Told("no real-time priority",
              pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameter));
}

std::string StayOnCpu(int cpu) {
  const std::string what = "not on processor " + std::to_string(cpu);
  if (cpu < 0 || cpu >= CPU_SETSIZE) return Told(what.c_str(), EINVAL);
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  return Told(what.c_str(), pthread_setaffinity_np(pthread_self(), sizeof set, &set));
}

#else

std::string SharpenTimers() { return "timers are not sharp: not on this system"; }
std::string LockMemory() { return "memory is not locked: not on this system"; }
std::string TakePriority() { return "no real-time priority: not on this system"; }
std::string StayOnCpu(int) { return "on no processor in particular: not on this system"; }

#endif

}  // namespace td7
