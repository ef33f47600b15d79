// Hands simulations to threads, a few steps at a time: whoever is free takes some of those that are
// ready, so that no thread waits for another's long episodes.
//
// Threads: every method may be called at any time, but for Add, which comes first.
#ifndef TD7_ROLLOUT_READY_QUEUE_H_
#define TD7_ROLLOUT_READY_QUEUE_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

namespace td7 {

// Simulations of one member that are stepped together.
struct Group {
  std::int64_t member = 0;
  std::vector<std::int64_t> sims;
};

class ReadyQueue {
 public:
  // most_rows [P]: how many simulations of a member a group may have.
  ReadyQueue(std::vector<std::int64_t> most_rows, int threads);

  void Add(std::int64_t member, std::int64_t sim);

  // Takes a group of the member with most simulations that are ready: as many as keep all threads
  // busy. Waits while others may still return some; false when none are left.
  bool Take(Group* group);

  // Gives back a group whose simulations are those that go on.
  // REQUIRES: it was taken with `taken` of them.
  void Return(const Group& group, std::int64_t taken);

 private:
  const std::vector<std::int64_t> most_rows_;
  const std::int64_t threads_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::deque<std::int64_t>> ready_;  // of each member, the longest waiting first
  std::int64_t num_ready_ = 0;
  std::int64_t num_taken_ = 0;
};

}  // namespace td7

#endif  // TD7_ROLLOUT_READY_QUEUE_H_
