#include "replay/lap_buffer.h"

#include <algorithm>
#include <cstring>

#include "replay/lap_checks.h"

namespace td7 {

LapBuffer::LapBuffer(const LapConfig& config)
    : config_(CheckConfig(config)),
      ledger_(config.capacity, config.streams),
      tree_(ledger_.max_slots()),
      rows_(ledger_.max_slots(), config.obs_size, config.action_size, config.scratch_dir) {}

void LapBuffer::AddStep(std::int64_t stream, const float* obs, const float* action, float reward,
                        const float* next_obs, bool terminated, bool truncated) {
  ledger_.CheckStream(stream);
  CheckStep(config_, obs, action, reward, next_obs);
  rows_.Reach([&] { return ledger_.SlotsAfter(stream, 1); });
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

void LapBuffer::AddEpisode(std::int64_t stream, const Transitions& steps, bool terminated) {
  ledger_.CheckStream(stream);
  CheckEpisode(config_, steps);
  const auto rows = static_cast<std::size_t>(steps.count);
  rows_.Reach([&] { return ledger_.SlotsAfter(stream, steps.count); });
  MakeRoom(steps.count);
  EndEpisode(stream);
  Append(stream, steps, steps.obs + rows * rows_.obs_size(), terminated);
  EndEpisode(stream);
}

void LapBuffer::AddTransitions(std::int64_t stream, const Transitions& steps, const float* next_obs,
                               const std::uint8_t* terminated, const std::uint8_t* truncated) {
  ledger_.CheckStream(stream);
  CheckTransitions(config_, steps, next_obs);
  const std::size_t obs_size = rows_.obs_size();
  const auto rows = static_cast<std::size_t>(steps.count);
  // for the worst case, that each is an episode of its own: a filled segment holds half as many
  const std::int64_t slots = ledger_.made_slots() + 2 * (steps.count + segment_slots());
  rows_.Reach([&] { return std::min(slots, ledger_.max_slots()); });
  MakeRoom(steps.count);
  for (std::size_t first = 0, end = 0; first < rows; first = end) {
    bool truly = false;
    bool ends = false;
    bool goes_on = false;
    do {  // up to the last transition whose next_obs is the obs of another one of its episode
      const float* next = next_obs + end * obs_size;
      truly = terminated[end] != 0;
      ends = truly || truncated[end] != 0;
      ++end;
      goes_on = !ends && end < rows &&
                std::memcmp(next, steps.obs + end * obs_size, obs_size * sizeof(float)) == 0;
    } while (goes_on);
    const Transitions run{static_cast<std::int64_t>(end - first), steps.obs + first * obs_size,
                          steps.action + first * rows_.action_size(), steps.reward + first};
    Append(stream, run, next_obs + (end - 1) * obs_size, truly);
    if (ends) EndEpisode(stream);
  }
}

void LapBuffer::AddRows(std::int64_t first_stream, const Transitions& steps, const float* next_obs,
                        const std::uint8_t* terminated, const std::uint8_t* truncated) {
  CheckStreams(first_stream, steps.count, ledger_.streams());
  CheckTransitions(config_, steps, next_obs);
  rows_.Reach([&] { return ledger_.SlotsAfterRows(first_stream, steps.count); });
  MakeRoom(steps.count);
  for (std::int64_t i = 0; i < steps.count; ++i) {
    const std::int64_t stream = first_stream + i;
    const Transitions row{1, steps.obs + i * config_.obs_size,
                          steps.action + i * config_.action_size, steps.reward + i};
    Append(stream, row, next_obs + i * config_.obs_size, terminated[i] != 0);
    if (terminated[i] != 0 || truncated[i] != 0) EndEpisode(stream);
  }
}

// Writes steps of one episode, the last of which leads to last_obs. REQUIRES: MakeRoom.
void LapBuffer::Append(std::int64_t stream, const Transitions& steps, const float* last_obs,
                       bool terminated) {
  const std::size_t obs_size = rows_.obs_size();
  for (std::int64_t done = 0; done < steps.count;) {
    const auto obs = [&](std::int64_t step) {
      return step < steps.count ? steps.obs + static_cast<std::size_t>(step) * obs_size : last_obs;
    };
    const SlotLedger::Run run = Open(stream, steps.count - done, obs(done));
    for (std::int64_t i = 0; i < run.count; ++i, ++done) {
      if (i > 0) rows_.WriteObs(run.slot + i, obs(done));
      rows_.WriteStep(run.slot + i,
                      steps.action + static_cast<std::size_t>(done) * rows_.action_size(),
                      steps.reward[done], terminated && done + 1 == steps.count);
    }
    Publish(stream, run, obs(done));
  }
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
