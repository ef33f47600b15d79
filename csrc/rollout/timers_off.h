// Keeps MuJoCo's profiling timers from reading the clock while simulations run.
//
// MuJoCo's Python package sets mjcb_time, a pointer of the whole process, and from then on every
// mj_step reads the clock dozens of times for mjData's timers, which nobody reads here: 7 to 20 %
// of a step. Whoever steps a model of their own at the same time finds timers that are off too.
#ifndef TD7_ROLLOUT_TIMERS_OFF_H_
#define TD7_ROLLOUT_TIMERS_OFF_H_

namespace td7 {

// While any object lives the timers are off; the last one turns them on again, unless somebody has
// set a timer of their own since. Threads: may be made and destroyed on any thread.
class TimersOff {
 public:
  TimersOff();
  ~TimersOff();
  TimersOff(const TimersOff&) = delete;
  TimersOff& operator=(const TimersOff&) = delete;
};

}  // namespace td7

#endif  // TD7_ROLLOUT_TIMERS_OFF_H_
