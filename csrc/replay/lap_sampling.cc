// The half of LapBuffer that draws transitions and keeps their priorities.
#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

#include "random/philox.h"
#include "replay/lap_buffer.h"
#include "replay/lap_checks.h"

namespace td7 {
namespace {

constexpr std::uint32_t kStream = StreamId("replay");
constexpr std::int64_t kDrawBlock = 256;  // draws that go down the tree together
constexpr std::size_t kMostLevels = 8;

}  // namespace

void LapBuffer::Sample(std::int64_t n, const SampleOutput& output) {
  CheckSample(n);
  DrawAndGather(n, output);
}

void LapBuffer::CheckSample(std::int64_t n) const { CheckDraw(n, ledger_.size()); }

void LapBuffer::DrawAndGather(std::int64_t n, const SampleOutput& output) {
  const PhiloxStream random(config_.seed, kStream, draw_counter_++);
  const auto levels = static_cast<std::size_t>(tree_.levels());
  assert(levels <= kMostLevels);
  std::array<double, static_cast<std::size_t>(kDrawBlock) * kMostLevels> uniforms;
  // never read back from the caller's memory, which may overlap itself or change
  std::array<std::int64_t, static_cast<std::size_t>(kDrawBlock)> slots;
  for (std::int64_t first = 0; first < n; first += kDrawBlock) {
    const auto count = static_cast<std::size_t>(std::min(kDrawBlock, n - first));
    const std::size_t from = static_cast<std::size_t>(first) * levels;
    random.FillUniform(static_cast<std::uint32_t>(from), count * levels, uniforms.data());
    tree_.Draw(uniforms.data(), count, slots.data());
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

void LapBuffer::CheckUpdate(const std::int64_t* index, const float* td_error, std::int64_t n,
                            std::int64_t row) const {
  constexpr std::int64_t kAhead = 16;
  const std::int64_t used = ledger_.used_slots();
  for (std::int64_t i = 0; i < n; ++i) {
    if (i + kAhead < n) tree_.PrefetchWeight(index[i + kAhead]);
    if (!ledger_.IsLive(index[i])) ThrowDeadIndex(row, i, index[i], used);
    if (!(td_error[i] >= 0.0F && std::isfinite(td_error[i]))) {
      ThrowBadError(row, i, td_error[i]);
    }
  }
  // only an alpha near 1 can reach the tree's largest weight, so look once
  const float most = n > 0 ? *std::max_element(td_error, td_error + n) : 0.0F;
  if (std::pow(static_cast<double>(most), config_.alpha) > double{SumTree::kMaxWeight}) {
    ThrowBadError(row, std::max_element(td_error, td_error + n) - td_error, most);
  }
}

void LapBuffer::ApplyUpdate(const std::int64_t* index, const float* td_error, std::int64_t n) {
  std::array<float, kDrawBlock> priority;
  for (std::int64_t first = 0; first < n; first += kDrawBlock) {
    const std::int64_t count = std::min(kDrawBlock, n - first);
    for (std::int64_t i = 0; i < count; ++i) {
      const double error = static_cast<double>(td_error[first + i]);
      const float value = error <= config_.min_priority
                              ? floor_priority_
                              : static_cast<float>(std::pow(error, config_.alpha));
      priority[static_cast<std::size_t>(i)] = value;
      max_priority_ = std::max(max_priority_, value);
    }
    tree_.Set(index + first, priority.data(), static_cast<std::size_t>(count));
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
