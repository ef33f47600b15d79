#include "rollout/ready_queue.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace td7 {

ReadyQueue::ReadyQueue(std::vector<std::int64_t> most_rows, int threads)
    : most_rows_(std::move(most_rows)), threads_(threads), ready_(most_rows_.size()) {}

void ReadyQueue::Add(std::int64_t member, std::int64_t sim) {
  ready_[static_cast<std::size_t>(member)].push_back(sim);
  ++num_ready_;
}

bool ReadyQueue::Take(Group* group) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return num_ready_ > 0 || num_taken_ == 0; });
  if (num_ready_ == 0) return false;
  const auto most =
      std::max_element(ready_.begin(), ready_.end(),
                       [](const auto& a, const auto& b) { return a.size() < b.size(); });
  const auto member = static_cast<std::size_t>(most - ready_.begin());
  const std::int64_t share = (num_ready_ + num_taken_ + threads_ - 1) / threads_;
  const auto here = static_cast<std::int64_t>(most->size());
  const std::int64_t count = std::min({share, here, most_rows_[member]});
  group->member = static_cast<std::int64_t>(member);
  group->sims.assign(most->begin(), most->begin() + count);
  most->erase(most->begin(), most->begin() + count);
  num_ready_ -= count;
  num_taken_ += count;
  return true;
}

void ReadyQueue::Return(const Group& group, std::int64_t taken) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::deque<std::int64_t>& ready = ready_[static_cast<std::size_t>(group.member)];
    ready.insert(ready.end(), group.sims.begin(), group.sims.end());
    num_ready_ += static_cast<std::int64_t>(group.sims.size());
    num_taken_ -= taken;
  }
  changed_.notify_all();
}

}  // namespace td7
