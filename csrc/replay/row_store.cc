#include "replay/row_store.h"

#include <cassert>
#include <cstring>

#include "replay/sum_tree.h"

namespace td7 {

RowStore::RowStore(std::int64_t max_rows, int obs_size, int action_size)
    : max_rows_(max_rows),
      obs_size_(static_cast<std::size_t>(obs_size)),
      action_size_(static_cast<std::size_t>(action_size)),
      stride_(obs_size_ + action_size_ + 2),
      memory_(static_cast<std::size_t>(max_rows) * stride_ * sizeof(float)),
      rows_(static_cast<float*>(memory_.data())) {}

bool RowStore::SameObs(std::int64_t index, const float* obs) const {
  return std::memcmp(row(index), obs, obs_size_ * sizeof(float)) == 0;
}

void RowStore::WriteObs(std::int64_t index, const float* obs) {
  std::memcpy(row(index), obs, obs_size_ * sizeof(float));
}

void RowStore::WriteStep(std::int64_t index, const float* action, float reward, bool terminated) {
  float* here = row(index) + obs_size_;
  std::memcpy(here, action, action_size_ * sizeof(float));
  here[action_size_] = reward;
  here[action_size_ + 1] = terminated ? 0.0F : 1.0F;
}

void RowStore::PrefetchRow(std::int64_t index) const {
  const char* first = reinterpret_cast<const char*>(row(index));
  const std::size_t bytes = row_bytes() + obs_size_ * sizeof(float);
  for (std::size_t offset = 0; offset < bytes; offset += 64) PrefetchLine(first + offset);
  PrefetchLine(first + bytes - 1);
}

void RowStore::Gather(const std::int64_t* slots, std::size_t n, const SampleOutput& output) const {
  constexpr std::size_t kAhead = 12;  // rows whose lines are on their way
  for (std::size_t b = 0; b < n && b < kAhead; ++b) PrefetchRow(slots[b]);
  for (std::size_t b = 0; b < n; ++b) {
    if (b + kAhead < n) PrefetchRow(slots[b + kAhead]);
    const float* here = row(slots[b]);
    assert(slots[b] + 1 < max_rows_);
    const float* action = here + obs_size_;
    std::memcpy(output.obs + b * obs_size_, here, obs_size_ * sizeof(float));
    std::memcpy(output.action + b * action_size_, action, action_size_ * sizeof(float));
    output.reward[b] = action[action_size_];
    output.not_terminated[b] = action[action_size_ + 1];
    std::memcpy(output.next_obs + b * obs_size_, here + stride_, obs_size_ * sizeof(float));
  }
}

}  // namespace td7
