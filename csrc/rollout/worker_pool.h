// A fixed number of threads that do numbered jobs, while the thread that asks waits and watches.
//
// Threads: Run may be called from one thread at a time. The caller does no job itself, so that it
// can look after signals.
#ifndef TD7_ROLLOUT_WORKER_POOL_H_
#define TD7_ROLLOUT_WORKER_POOL_H_

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace td7 {

class WorkerPool {
 public:
  // REQUIRES: threads >= 1. Throws std::system_error if one cannot be started.
  explicit WorkerPool(int threads);
  ~WorkerPool();  // waits for the threads to end
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  int threads() const { return static_cast<int>(threads_.size()); }

  // Calls job(0) ... job(count - 1), each once, on the threads, in order of their starts; meanwhile
  // calls watch() about every 20 ms on this thread. Returns when all are done. Rethrows the first
  // exception of a job, once all jobs have ended; watch must not throw. Throws std::runtime_error
  // in a process forked since the construction, which has no threads.
  void Run(std::int64_t count, const std::function<void(std::int64_t)>& job,
           const std::function<void()>& watch);

 private:
  void Work();
  void Close();

  const long process_;  // threads do not survive a fork
  std::mutex mutex_;
  std::condition_variable has_jobs_;
  std::condition_variable all_done_;
  const std::function<void(std::int64_t)>* job_ = nullptr;
  std::int64_t next_ = 0;
  std::int64_t count_ = 0;
  std::int64_t done_ = 0;
  std::exception_ptr failure_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace td7

#endif  // TD7_ROLLOUT_WORKER_POOL_H_
