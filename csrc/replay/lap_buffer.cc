#include "replay/lap_buffer.h"

#include <cmath>

#include "replay/lap_checks.h"

namespace td7 {

LapBuffer::LapBuffer(const LapConfig& config)
    : config_(CheckConfig(config)),
      ledger_(config.capacity, config.streams),
      tree_(ledger_.max_slots()),
      rows_(ledger_.max_slots(), config.obs_size, config.action_size),
      floor_priority_(static_cast<float>(std::pow(config.min_priority, config.alpha))) {}

void LapBuffer::AddStep(std::int64_t stream, const float* obs, const float* action, float reward,
                        const float* next_obs, bool terminated, bool truncated) {
  ledger_.CheckStream(stream);
  CheckStep(config_, obs, action, reward, next_obs);
  MakeRoom(1);
  const SlotLedger::Run run = Open(stream, 1, obs);
  rows_.WriteStep(run.slot, action, reward, terminated);
  Publish(stream, run, next_obs);
  if (terminated || truncated) EndEpisode(stream);
}

void LapBuffer::EndEpisode(std::int64_t stream) {
  ledger_.CheckStream(stream);
  ledger_.EndEpisode(stream);
}

void LapBuffer::AddEpisode(std::int64_t stream, std::int64_t steps, const float* obs,
                           const float* action, const float* reward, bool terminated) {
  ledger_.CheckStream(stream);
  CheckEpisode(config_, steps, obs, action, reward);
  const std::size_t obs_size = rows_.obs_size();
  const std::size_t action_size = rows_.action_size();
  const auto rows = static_cast<std::size_t>(steps);
  EndEpisode(stream);
  MakeRoom(steps);
  for (std::size_t done = 0; done < rows;) {
    const auto left = static_cast<std::int64_t>(rows - done);
    const SlotLedger::Run run = Open(stream, left, obs + done * obs_size);
    for (std::int64_t i = 0; i < run.count; ++i, ++done) {
      if (i > 0) rows_.WriteObs(run.slot + i, obs + done * obs_size);
      rows_.WriteStep(run.slot + i, action + done * action_size, reward[done],
                      terminated && done + 1 == rows);
    }
    Publish(stream, run, obs + done * obs_size);
  }
  EndEpisode(stream);
}

// Slots for the stream's next transitions, with the first one's obs in place.
SlotLedger::Run LapBuffer::Open(std::int64_t stream, std::int64_t wanted, const float* obs) {
  const std::int64_t open = ledger_.OpenSlot(stream);
  const bool continues = open != SlotLedger::kNoSlot && rows_.SameObs(open, obs);
  const SlotLedger::Run run = ledger_.Open(stream, wanted, continues);
  if (run.obs) rows_.WriteObs(run.slot, obs);
  return run;
}

// Makes the run's transitions drawable; the slot after them gets next_obs.
void LapBuffer::Publish(std::int64_t stream, const SlotLedger::Run& run, const float* next_obs) {
  rows_.WriteObs(run.slot + run.count, next_obs);
  tree_.SetRange(run.slot, run.count, max_priority_);
  ledger_.Publish(stream, run.count);
}

void LapBuffer::MakeRoom(std::int64_t wanted) {
  ledger_.MakeRoom(wanted, [this](std::int64_t first, std::int64_t count) {
    tree_.SetRange(first, count, 0.0F);
  });
}

std::size_t LapBuffer::CommittedBytes() const {
  // the row after the last used slot holds the following observation
  return sizeof(*this) + ledger_.CommittedBytes() + tree_.CommittedBytes() +
         rows_.CommittedBytes(ledger_.made_slots());
}

}  // namespace td7
