#include "rollout/worker_pool.h"

#include <unistd.h>

#include <chrono>
#include <stdexcept>

namespace td7 {
namespace {

constexpr std::chrono::milliseconds kWatchEvery{20};

}  // namespace

WorkerPool::WorkerPool(int threads) : process_(getpid()) {
  threads_.reserve(static_cast<std::size_t>(threads));
  try {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
  } catch (...) {
    Close();
    throw;
  }
}

WorkerPool::~WorkerPool() { Close(); }

void WorkerPool::Close() {
  if (getpid() != process_) {
    // the threads are another process's: there is nobody to wait for
    for (std::thread& thread : threads_) thread.detach();
    return;
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  has_jobs_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::Run(std::int64_t count, const std::function<void(std::int64_t)>& job,
                     const std::function<void()>& watch) {
  if (count == 0) return;
  if (getpid() != process_) {
    throw std::runtime_error("simulations do not survive a fork: make them in the new process");
  }
  std::unique_lock<std::mutex> lock(mutex_);
  job_ = &job;
  next_ = done_ = 0;
  count_ = count;
  failure_ = nullptr;
  has_jobs_.notify_all();
  while (!all_done_.wait_for(lock, kWatchEvery, [this] { return done_ == count_; })) {
    lock.unlock();
    watch();
    lock.lock();
  }
  job_ = nullptr;
  next_ = count_ = 0;
  if (failure_) std::rethrow_exception(failure_);
}

void WorkerPool::Work() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    has_jobs_.wait(lock, [this] { return closing_ || next_ < count_; });
    if (closing_) return;
    const std::int64_t index = next_++;
    const std::function<void(std::int64_t)>& job = *job_;
    lock.unlock();
    std::exception_ptr failure;
    try {
      job(index);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure && !failure_) failure_ = failure;
    if (++done_ == count_) all_done_.notify_one();
  }
}

}  // namespace td7
