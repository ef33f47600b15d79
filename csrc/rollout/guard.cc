#include "rollout/guard.h"

#include <mujoco/mujoco.h>
#include <setjmp.h>  // NOLINT: _setjmp, which saves no signal mask, is POSIX's

#include <atomic>
#include <cstdio>
#include <mutex>

namespace td7 {
namespace {

struct ActiveCall {
  jmp_buf back;
  MujocoError* error;
};

thread_local ActiveCall* active_call = nullptr;

std::mutex install_mutex;
int installed = 0;  // objects alive, under the mutex
std::atomic<mjfLogHandler> former_handler{nullptr};

void Handle(const mjLogMessage* message) {
  ActiveCall* const call = active_call;
  if (call == nullptr) {
    if (const mjfLogHandler former = former_handler.load()) former(message);
    return;
  }
  if (message->level != mjLOG_ERROR) return;
  std::snprintf(call->error->text, sizeof(call->error->text), "%s", message->subject);
  _longjmp(call->back, 1);
}

}  // namespace

LogHandler::LogHandler() {
  const std::lock_guard<std::mutex> alone(install_mutex);
  if (installed++ > 0) return;
  former_handler = mju_setLogHandler(&Handle);
}

LogHandler::~LogHandler() {
  const std::lock_guard<std::mutex> alone(install_mutex);
  if (--installed > 0) return;
  const mjfLogHandler current = mju_setLogHandler(former_handler.load());
  if (current != &Handle) mju_setLogHandler(current);
}

bool Guarded(void (*function)(void*), void* argument, MujocoError* error) {
  ActiveCall call;
  call.error = error;
  if (_setjmp(call.back) != 0) {
    active_call = nullptr;
    return false;
  }
  active_call = &call;
  function(argument);
  active_call = nullptr;
  return true;
}

}  // namespace td7
