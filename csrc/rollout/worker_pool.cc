#include "rollout/worker_pool.h"

#include <unistd.h>

#include <cfenv>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace td7 {
namespace {

constexpr std::chrono::milliseconds kWatchEvery{10};

// The floating-point environment that every program starts with: the caller may flush denormals, or
// round otherwise.
class DefaultFloats {
 public:
  DefaultFloats() {
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultFloats() { std::fesetenv(&before_); }
  DefaultFloats(const DefaultFloats&) = delete;
  DefaultFloats& operator=(const DefaultFloats&) = delete;

 private:
  std::fenv_t before_;
};

void RunHere(std::int64_t count, const std::function<void(std::int64_t)>& job) {
  const DefaultFloats floats;
  std::exception_ptr failure;
  for (std::int64_t i = 0; i < count; ++i) {
    try {
      job(i);
    } catch (...) {
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

struct WorkerPool::Shared {
  ~Shared() {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      closing = true;
    }
    has_jobs.notify_all();
    for (std::thread& thread : threads) thread.join();
  }

  void Work();

  std::mutex mutex;
  std::condition_variable has_jobs;
  std::condition_variable all_done;
  const std::function<void(std::int64_t)>* job = nullptr;
  std::int64_t next = 0;
  std::int64_t count = 0;
  std::int64_t done = 0;
  std::exception_ptr failure;
  bool closing = false;
  std::vector<std::thread> threads;
};

// At its end, however it comes, no thread works on what the caller's stack holds: a Python thread
// that asks for the GIL while the interpreter ends is unwound here.
struct WorkerPool::Waiting {
  Waiting(Shared* waited_for, std::unique_lock<std::mutex>* its_lock)
      : shared(waited_for), lock(its_lock) {}
  ~Waiting() {
    if (!lock->owns_lock()) lock->lock();
    shared->count = shared->next;  // no further job starts
    shared->all_done.wait(*lock, [this] { return shared->done == shared->count; });
    shared->job = nullptr;
    shared->next = shared->count = shared->done = 0;
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  Shared* shared;
  std::unique_lock<std::mutex>* lock;
};

WorkerPool::WorkerPool(int threads) : process_(getpid()), shared_(std::make_unique<Shared>()) {
  Shared* const shared = shared_.get();
  shared->threads.reserve(static_cast<std::size_t>(threads));
  for (int i = 0; i < threads; ++i) shared->threads.emplace_back([shared] { shared->Work(); });
}

WorkerPool::~WorkerPool() {
  if (getpid() != process_) static_cast<void>(shared_.release());
}

int WorkerPool::threads() const { return static_cast<int>(shared_->threads.size()); }

void WorkerPool::ExpectOwnProcess() const {
  if (getpid() == process_) return;
  throw std::runtime_error("simulations do not survive a fork: make them in the new process");
}

void WorkerPool::Run(std::int64_t count, const std::function<void(std::int64_t)>& job,
                     const std::function<void()>& watch) {
  if (count == 0) return;
  ExpectOwnProcess();
  if (!watch && (count == 1 || threads() == 1)) {
    RunHere(count, job);
    return;
  }
  Shared& shared = *shared_;
  std::unique_lock<std::mutex> lock(shared.mutex);
  shared.job = &job;
  shared.next = shared.done = 0;
  shared.count = count;
  shared.failure = nullptr;
  shared.has_jobs.notify_all();
  const auto all_done = [&shared] { return shared.done == shared.count; };
  {
    const Waiting waiting(&shared, &lock);
    while (!shared.all_done.wait_for(lock, kWatchEvery, all_done)) {
      lock.unlock();
      if (watch) watch();
      lock.lock();
    }
  }
  if (shared.failure) std::rethrow_exception(shared.failure);
}

void WorkerPool::Shared::Work() {
  // as every program starts: the thread that made this one may flush denormals, or round otherwise
  std::fesetenv(FE_DFL_ENV);
  std::unique_lock<std::mutex> lock(mutex);
  while (true) {
    has_jobs.wait(lock, [this] { return closing || next < count; });
    if (closing) return;
    const std::int64_t index = next++;
    const std::function<void(std::int64_t)>& wanted = *job;
    lock.unlock();
    std::exception_ptr thrown;
    try {
      wanted(index);
    } catch (...) {
      thrown = std::current_exception();
    }
    lock.lock();
    if (thrown && !failure) failure = thrown;
    ++done;
    if (done == count) all_done.notify_one();
  }
}

}  // namespace td7
