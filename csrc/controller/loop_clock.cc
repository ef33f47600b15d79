#include "controller/loop_clock.h"

#include <time.h>  // NOLINT: clock_nanosleep is POSIX's

#include <chrono>
#include <thread>

namespace td7 {

#if defined(__linux__)

namespace {
constexpr std::int64_t kSecond = 1000000000;
}

std::int64_t SteadyClock::Now() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

void SteadyClock::WaitUntil(std::int64_t ns) noexcept {
  timespec then{};
  then.tv_sec = static_cast<time_t>(ns / kSecond);
  then.tv_nsec = static_cast<long>(ns % kSecond);
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, nullptr);
}

#else

std::int64_t SteadyClock::Now() noexcept {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

void SteadyClock::WaitUntil(std::int64_t ns) noexcept {
  using Time = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
  std::this_thread::sleep_until(Time(std::chrono::nanoseconds(ns)));
}

#endif

}  // namespace td7
