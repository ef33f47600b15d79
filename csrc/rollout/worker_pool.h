// A fixed number of threads that do numbered jobs, while the thread that asks waits and watches.
//
// Threads: Run may be called from one thread at a time. A caller that watches does no job itself,
// so that it can look after signals.
#ifndef TD7_ROLLOUT_WORKER_POOL_H_
#define TD7_ROLLOUT_WORKER_POOL_H_

#include <cstdint>
#include <functional>
#include <memory>

namespace td7 {

class WorkerPool {
 public:
  // REQUIRES: threads >= 1. Throws std::system_error if one cannot be started.
  explicit WorkerPool(int threads);
  ~WorkerPool();  // waits for the threads to end
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  int threads() const;

  // Throws std::runtime_error in a process forked since the construction, which has no threads.
  void ExpectOwnProcess() const;

  // Calls job(0) ... job(count - 1), each once, on the threads, in order of their starts; meanwhile
  // calls watch() about every 10 ms on this thread. With an empty watch, jobs that one thread would
  // do are done here instead, since handing them over costs more than a small job, under the
  // floating-point environment of the threads. Returns when all are done. Rethrows the first
  // exception of a job, once all jobs have ended. If watch throws, no further job starts, and its
  // exception passes once those under way have ended. Throws as ExpectOwnProcess.
  void Run(std::int64_t count, const std::function<void(std::int64_t)>& job,
           const std::function<void()>& watch);

 private:
  // Threads, and what they wait on. In a forked process, which has them not, it is let go of
  // without being destroyed: that would wait for them.
  struct Shared;
  struct Waiting;

  const long process_;
  std::unique_ptr<Shared> shared_;
};

}  // namespace td7

#endif  // TD7_ROLLOUT_WORKER_POOL_H_
