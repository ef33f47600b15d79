#include "rollout/timers_off.h"

#include <mujoco/mujoco.h>

#include <mutex>

namespace td7 {
namespace {

std::mutex timer_mutex;
int alive = 0;  // objects, under the mutex
mjfTime former_timer = nullptr;

}  // namespace

TimersOff::TimersOff() {
  const std::lock_guard<std::mutex> alone(timer_mutex);
  if (alive++ > 0) return;
  former_timer = mjcb_time;
  mjcb_time = nullptr;
}

TimersOff::~TimersOff() {
  const std::lock_guard<std::mutex> alone(timer_mutex);
  if (--alive > 0) return;
  if (mjcb_time == nullptr) mjcb_time = former_timer;
}

}  // namespace td7
