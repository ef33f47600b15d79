// Guards calls into MuJoCo: an error there neither ends the process nor passes through C++ frames.
//
// MuJoCo reports errors to a log handler of the whole process and does not expect it to return:
// without one, an error on a worker thread ends the process. LogHandler puts ours before whatever
// handler was there. On a thread inside Guarded it keeps an error's text and leaves the call with
// longjmp, and drops the rest (a simulation counts its warnings in mjData); on every other thread
// it hands the message on.
//
// longjmp runs no destructors. So the guarded function must own nothing: plain calls and pointers.
// After an error the mjData that was used may only be deleted.
#ifndef TD7_ROLLOUT_GUARD_H_
#define TD7_ROLLOUT_GUARD_H_

#include <string>

namespace td7 {

// Keeps our handler installed while any object lives; the last one puts the former handler back,
// unless somebody has replaced ours since. Threads: may be made and destroyed on any thread.
class LogHandler {
 public:
  LogHandler();
  ~LogHandler();
  LogHandler(const LogHandler&) = delete;
  LogHandler& operator=(const LogHandler&) = delete;
};

// The text of an error.
struct MujocoError {
  char text[1024] = "";
};

// Calls function(argument) and returns whether it ran to its end; if not, *error says why.
// REQUIRES: a LogHandler lives; function owns nothing; not nested on a thread.
bool Guarded(void (*function)(void*), void* argument, MujocoError* error);

}  // namespace td7

#endif  // TD7_ROLLOUT_GUARD_H_
