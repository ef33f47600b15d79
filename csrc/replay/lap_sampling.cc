// The half of LapBuffer that draws transitions and keeps their priorities.
#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "random/philox.h"
#include "replay/lap_buffer.h"
#include "replay/lap_checks.h"
#include "replay/number_text.h"
#include "replay/tree/kernels.h"

namespace td7 {
namespace {

constexpr auto kBlock = static_cast<std::int64_t>(SumTree::kDrawBlock);

}  // namespace

void LapBuffer::Sample(std::int64_t n, const SampleOutput& output) {
  CheckSample(n);
  DrawAndGather(n, output);
}

void LapBuffer::CheckSample(std::int64_t n) const { CheckDraw(n, ledger_.size()); }

void LapBuffer::DrawAndGather(std::int64_t n, const SampleOutput& output) {
  const PhiloxStream random(config_.seed, kDrawStream, draw_counter_++);
  // never read back from the caller's memory, which may overlap itself or change
  std::array<std::int64_t, SumTree::kDrawBlock> slots;
  for (std::int64_t first = 0; first < n; first += kBlock) {
    const auto count = static_cast<std::size_t>(std::min(kBlock, n - first));
    tree_.Draw(random, static_cast<std::size_t>(first), count, slots.data());
    const SampleOutput block = output.From(first, config_.obs_size, config_.action_size);
    rows_.Gather(slots.data(), count, block);
    std::copy_n(slots.data(), count, block.index);
    if (block.probability == nullptr) continue;
    for (std::size_t b = 0; b < count; ++b) {
      block.probability[b] = tree_.PathProbability(slots[b]);
    }
  }
}

void LapBuffer::UpdatePriorities(const std::int64_t* index, const float* td_error, std::int64_t n) {
  CheckUpdate(index, td_error, n);
  ApplyUpdate(index, td_error, n);
}

std::int64_t LapBuffer::UpdatePriorities(const std::int64_t* index, const float* td_error,
                                         std::int64_t n, std::int64_t drawn_at) {
  CheckUpdate(index, td_error, n, -1, &drawn_at);
  return ApplyUpdate(index, td_error, n, &drawn_at);
}

// An index may be stale, but a draw must have given it.
void LapBuffer::CheckDrawn(const std::int64_t* index, std::int64_t n, std::int64_t row,
                           std::int64_t drawn_at) const {
  if (drawn_at < 0 || drawn_at > segments_begun()) {
    throw std::invalid_argument("drawn_at" + (row < 0 ? "" : "[" + NumberText(row) + "]") +
                                " must be from 0 to " + NumberText(segments_begun()) + ", got " +
                                NumberText(drawn_at) + ": the batch is from another replay");
  }
  for (std::int64_t i = 0; i < n; ++i) {
    if (index[i] < 0 || index[i] >= ledger_.max_slots()) {
      ThrowNoSlot(row, i, index[i], ledger_.max_slots());
    }
  }
}

void LapBuffer::CheckUpdate(const std::int64_t* index, const float* td_error, std::int64_t n,
                            std::int64_t row, const std::int64_t* drawn_at) const {
  constexpr std::int64_t kAhead = 16;
  const std::int64_t used = ledger_.used_slots();
  if (drawn_at != nullptr) CheckDrawn(index, n, row, *drawn_at);
  for (std::int64_t i = 0; i < n; ++i) {
    if (i + kAhead < n) tree_.PrefetchWeight(index[i + kAhead]);
    if (drawn_at == nullptr && !ledger_.IsLive(index[i])) ThrowDeadIndex(row, i, index[i], used);
    if (!(td_error[i] >= 0.0F && std::isfinite(td_error[i]))) {
      ThrowBadError(row, i, td_error[i]);
    }
  }
  // a float32 is below 2^128, so only an alpha above 0.75 can reach the tree's largest weight, 2^96
  if (n == 0 || config_.alpha <= 0.75) return;
  const float* most = std::max_element(td_error, td_error + n);
  if (std::pow(static_cast<double>(*most), config_.alpha) > double{SumTree::kMaxWeight}) {
    ThrowBadError(row, most - td_error, *most);
  }
}

std::int64_t LapBuffer::ApplyUpdate(const std::int64_t* index, const float* td_error,
                                    std::int64_t n, const std::int64_t* drawn_at) {
  if (drawn_at == nullptr) {
    SetPriorities(index, td_error, n);
    return 0;
  }
  std::vector<std::int64_t> held;
  std::vector<float> errors;
  for (std::int64_t i = 0; i < n; ++i) {
    if (!ledger_.HoldsSince(index[i], *drawn_at)) continue;
    held.push_back(index[i]);
    errors.push_back(td_error[i]);
  }
  const auto count = static_cast<std::int64_t>(held.size());
  SetPriorities(held.data(), errors.data(), count);
  return n - count;
}

void LapBuffer::SetPriorities(const std::int64_t* index, const float* td_error, std::int64_t n) {
  std::array<float, SumTree::kDrawBlock> error;
  std::array<float, SumTree::kDrawBlock> priority;
  for (std::int64_t first = 0; first < n; first += kBlock) {
    const auto count = static_cast<std::size_t>(std::min(kBlock, n - first));
    std::fill(std::copy_n(td_error + first, count, error.begin()), error.end(), 0.0F);
    ActiveKernels().raise(error.data(), count, config_.min_priority, config_.alpha,
                          priority.data());
    tree_.Set(index + first, priority.data(), count);
    max_priority_ =
        std::max(max_priority_, *std::max_element(priority.data(), priority.data() + count));
  }
}

float LapBuffer::Priority(std::int64_t index) const {
  if (!ledger_.IsLive(index)) ThrowDeadIndex(-1, -1, index, ledger_.used_slots());
  return tree_.weight(index);
}

void LapBuffer::ResetMaxPriority() {
  max_priority_ = ledger_.size() > 0 ? tree_.MaxWeight() : 1.0F;
}

}  // namespace td7
