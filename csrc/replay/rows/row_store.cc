#include "replay/rows/row_store.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "replay/memory/prefetch.h"

namespace td7 {
namespace {

constexpr std::size_t kPrefetchBytes = std::size_t{32} << 10;  // on their way at a time

// memcpy for a few numbers, without the call: whole fours, then the last four once more.
inline void CopyFloats(const float* from, std::size_t n, float* to) {
  constexpr std::size_t kFour = 4;
  if (n < kFour) {
    for (std::size_t i = 0; i < n; ++i) to[i] = from[i];
    return;
  }
  for (std::size_t i = 0; i + kFour <= n; i += kFour) {
    std::memcpy(to + i, from + i, kFour * sizeof(float));
  }
  std::memcpy(to + n - kFour, from + n - kFour, kFour * sizeof(float));
}

}  // namespace

RowStore::RowStore(std::int64_t max_rows, int obs_size, int action_size,
                   const std::string& scratch_dir)
    : max_rows_(max_rows),
      obs_size_(static_cast<std::size_t>(obs_size)),
      action_size_(static_cast<std::size_t>(action_size)),
      stride_(obs_size_ + action_size_ + 2),
      sums_(max_rows, row_bytes()) {
  const std::size_t bytes = static_cast<std::size_t>(max_rows) * row_bytes();
  if (scratch_dir.empty()) {
    memory_.emplace(bytes);
    rows_ = static_cast<float*>(memory_->data());
  } else {
    file_ = ScratchFile(scratch_dir, bytes);
    rows_ = static_cast<float*>(file_.data());
  }
}

bool RowStore::SameObs(std::int64_t index, const float* obs) const {
  return std::memcmp(row(index), obs, obs_size_ * sizeof(float)) == 0;
}

void RowStore::WriteObs(std::int64_t index, const float* obs) {
  std::memcpy(rows_ + Offset(index), obs, obs_size_ * sizeof(float));
  sums_.Changed(index);
}

void RowStore::WriteStep(std::int64_t index, const float* action, float reward, bool terminated) {
  float* here = rows_ + Offset(index) + obs_size_;
  std::memcpy(here, action, action_size_ * sizeof(float));
  here[action_size_] = reward;
  here[action_size_ + 1] = terminated ? 0.0F : 1.0F;
  sums_.Changed(index);
}

void RowStore::Gather(const std::int64_t* slots, std::size_t n, const SampleOutput& output) const {
  const std::size_t bytes = row_bytes() + obs_size_ * sizeof(float);
  const std::size_t ahead = std::max(kPrefetchBytes / bytes, std::size_t{4});
  for (std::size_t b = 0; b < n && b < ahead; ++b) Prefetch(row(slots[b]), bytes);
  for (std::size_t b = 0; b < n; ++b) {
    if (b + ahead < n) Prefetch(row(slots[b + ahead]), bytes);
    const float* here = row(slots[b]);
    assert(slots[b] + 1 < max_rows_);
    const float* action = here + obs_size_;
    CopyFloats(here, obs_size_, output.obs + b * obs_size_);
    CopyFloats(action, action_size_, output.action + b * action_size_);
    output.reward[b] = action[action_size_];
    output.not_terminated[b] = action[action_size_ + 1];
    CopyFloats(here + stride_, obs_size_, output.next_obs + b * obs_size_);
  }
}

}  // namespace td7
