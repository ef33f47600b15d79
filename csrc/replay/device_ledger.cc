#include "replay/device_ledger.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "random/philox.h"
#include "replay/lap_checks.h"
#include "replay/number_text.h"

namespace td7 {
namespace {

std::int64_t LevelsOf(const SlotLedger& ledger) { return SumTree::LevelsFor(ledger.used_slots()); }

bool SameConfig(const LapConfig& a, const LapConfig& b) {
  return a.capacity == b.capacity && a.streams == b.streams && a.obs_size == b.obs_size &&
         a.action_size == b.action_size && a.alpha == b.alpha && a.min_priority == b.min_priority &&
         a.seed == b.seed;
}

LapLedgers::Runs MakeRoom(SlotLedger* ledger, std::int64_t wanted) {
  LapLedgers::Runs evicted;
  ledger->MakeRoom(wanted, [&evicted](std::int64_t first, std::int64_t count) {
    evicted.push_back({first, count});
  });
  return evicted;
}

void CheckCount(const char* name, std::int64_t given, std::int64_t wanted) {
  if (given == wanted) return;
  throw std::invalid_argument(std::string(name) + " must be of " + NumberText(wanted) +
                              " slots, got " + NumberText(given));
}

}  // namespace

LapLedgers::Member::Member(const LapConfig& config)
    : ledger(config.capacity, config.streams), last_obs(static_cast<std::size_t>(config.streams)) {}

LapLedgers::LapLedgers(LapConfig config, const std::vector<std::uint64_t>& seeds) {
  if (seeds.empty()) throw std::invalid_argument("seeds must have at least one entry");
  CheckConfig(config);
  for (const std::uint64_t seed : seeds) {
    config.seed = seed;
    configs_.push_back(config);
    members_.emplace_back(config);
  }
}

LapLedgers::Member& LapLedgers::Of(std::int64_t member) {
  td7::CheckIndex("member", member, members());
  return members_[static_cast<std::size_t>(member)];
}

bool LapLedgers::Continues(const Member& member, std::int64_t stream, const float* obs) const {
  const std::vector<float>& last = member.last_obs[static_cast<std::size_t>(stream)];
  return member.ledger.OpenSlot(stream) != SlotLedger::kNoSlot &&
         std::memcmp(last.data(), obs, last.size() * sizeof(float)) == 0;
}

void LapLedgers::PackStep(const float* obs, const float* action, float reward, bool terminated,
                          float* row) const {
  row = std::copy_n(obs, config().obs_size, row);
  row = std::copy_n(action, config().action_size, row);
  row[0] = reward;
  row[1] = terminated ? 0.0F : 1.0F;
}

LapLedgers::Placement LapLedgers::AddStep(std::int64_t member, std::int64_t stream,
                                          const float* obs, const float* action, float reward,
                                          const float* next_obs, bool terminated, bool truncated,
                                          float* rows) {
  const Lock alone(mutex_);
  Member& to = Of(member);
  to.ledger.CheckStream(stream);
  CheckStep(config(), obs, action, reward, next_obs);
  const std::int64_t obs_size = config().obs_size;
  std::vector<float>& last = to.last_obs[static_cast<std::size_t>(stream)];
  Placement placement;
  placement.evicted = MakeRoom(&to.ledger, 1);
  const SlotLedger::Run run = to.ledger.Open(stream, 1, Continues(to, stream, obs));
  placement.runs.push_back({run.slot, run.count});
  to.ledger.Publish(stream, 1);
  last.assign(next_obs, next_obs + obs_size);
  if (terminated || truncated) to.ledger.EndEpisode(stream);
  PackStep(obs, action, reward, terminated, rows);
  float* after = std::copy_n(next_obs, obs_size, rows + row_floats());
  std::fill_n(after, row_floats() - obs_size, 0.0F);
  return placement;
}

LapLedgers::Placement LapLedgers::AddEpisode(std::int64_t member, std::int64_t stream,
                                             const Transitions& steps, bool terminated,
                                             float* rows) {
  const Lock alone(mutex_);
  Member& to = Of(member);
  to.ledger.CheckStream(stream);
  CheckEpisode(config(), steps);
  const std::int64_t obs_size = config().obs_size;
  Placement placement;
  to.ledger.EndEpisode(stream);
  placement.evicted = MakeRoom(&to.ledger, steps.count);
  for (std::int64_t done = 0; done < steps.count;) {
    const SlotLedger::Run run = to.ledger.Open(stream, steps.count - done, true);
    placement.runs.push_back({run.slot, run.count});
    to.ledger.Publish(stream, run.count);
    done += run.count;
  }
  to.ledger.EndEpisode(stream);
  for (std::int64_t i = 0; i < steps.count; ++i) {
    PackStep(steps.obs + i * obs_size, steps.action + i * config().action_size, steps.reward[i],
             terminated && i + 1 == steps.count, rows + i * row_floats());
  }
  float* after =
      std::copy_n(steps.obs + steps.count * obs_size, obs_size, rows + steps.count * row_floats());
  std::fill_n(after, row_floats() - obs_size, 0.0F);
  return placement;
}

LapLedgers::Placement LapLedgers::AddRows(std::int64_t member, std::int64_t first_stream,
                                          const Transitions& steps, const float* next_obs,
                                          const std::uint8_t* terminated,
                                          const std::uint8_t* truncated, float* rows) {
  const Lock alone(mutex_);
  Member& to = Of(member);
  CheckStreams(first_stream, steps.count, to.ledger.streams());
  CheckTransitions(config(), steps, next_obs);
  const std::int64_t obs_size = config().obs_size;
  Placement placement;
  placement.evicted = MakeRoom(&to.ledger, steps.count);
  for (std::int64_t i = 0; i < steps.count; ++i) {
    const std::int64_t stream = first_stream + i;
    const float* obs = steps.obs + i * obs_size;
    const SlotLedger::Run run = to.ledger.Open(stream, 1, Continues(to, stream, obs));
    placement.runs.push_back({run.slot, run.count});
    to.ledger.Publish(stream, 1);
    to.last_obs[static_cast<std::size_t>(stream)].assign(next_obs + i * obs_size,
                                                         next_obs + (i + 1) * obs_size);
    if (terminated[i] != 0 || truncated[i] != 0) to.ledger.EndEpisode(stream);
    PackStep(obs, steps.action + i * config().action_size, steps.reward[i], terminated[i] != 0,
             rows + i * row_floats());
  }
  return placement;
}

void LapLedgers::EndEpisode(std::int64_t member, std::int64_t stream) {
  const Lock alone(mutex_);
  SlotLedger& ledger = Of(member).ledger;
  ledger.CheckStream(stream);
  ledger.EndEpisode(stream);
}

std::int64_t LapLedgers::SlotsAfter(std::int64_t member, std::int64_t stream, std::int64_t steps) {
  const Lock alone(mutex_);
  const SlotLedger& ledger = Of(member).ledger;
  ledger.CheckStream(stream);
  return ledger.SlotsAfter(stream, steps);
}

std::int64_t LapLedgers::SlotsAfterRows(std::int64_t member, std::int64_t first_stream,
                                        std::int64_t rows) {
  const Lock alone(mutex_);
  const SlotLedger& ledger = Of(member).ledger;
  CheckStreams(first_stream, rows, ledger.streams());
  return ledger.SlotsAfterRows(first_stream, rows);
}

void LapLedgers::Clear(const Members& members) {
  CheckMembers(members);
  const Lock alone(mutex_);
  for (const std::int64_t member : members) {
    Member empty(config());
    empty.draw_counter = Of(member).draw_counter;
    empty.ledger.Replaces(Of(member).ledger.segments_begun());
    Of(member) = std::move(empty);
  }
}

void LapLedgers::FillUniforms(const Members& members, std::int64_t calls, std::int64_t n,
                              std::int64_t levels, double* out) {
  CheckMembers(members);
  const Lock alone(mutex_);
  for (const std::int64_t member : members) {
    CheckDraw(n, Of(member).ledger.size());
    const std::int64_t own = LevelsOf(Of(member).ledger);
    if (own <= levels) continue;
    throw std::invalid_argument("levels must be at least " + NumberText(own) + ", got " +
                                NumberText(levels));
  }
  for (std::int64_t call = 0; call < calls; ++call) {
    for (const std::int64_t named : members) {
      const std::uint64_t seed = configs_[static_cast<std::size_t>(named)].seed;
      const PhiloxStream random(seed, kDrawStream, Of(named).draw_counter++);
      for (std::int64_t level = 0; level < levels; ++level, out += n) {
        const auto first =
            static_cast<std::uint32_t>(SumTree::kLevelStride * static_cast<std::size_t>(level));
        random.FillUniform(first, static_cast<std::size_t>(n), out);
      }
    }
  }
}

void LapLedgers::CheckSample(const Members& members, std::int64_t n) {
  CheckMembers(members);
  const Lock alone(mutex_);
  for (const std::int64_t member : members) CheckDraw(n, Of(member).ledger.size());
}

void LapLedgers::CheckMembers(const Members& members_named) {
  CheckDistinct(members_named, members());
}

void LapLedgers::CheckIndex(std::int64_t member, std::int64_t index) {
  const Lock alone(mutex_);
  const SlotLedger& ledger = Of(member).ledger;
  if (!ledger.IsLive(index)) ThrowDeadIndex(-1, -1, index, ledger.used_slots());
}

std::int64_t LapLedgers::Levels(std::int64_t member) { return Get(member, LevelsOf); }

std::uint64_t LapLedgers::DrawCounter(std::int64_t member) {
  const Lock alone(mutex_);
  return Of(member).draw_counter;
}

void LapLedgers::SetDrawCounter(std::int64_t member, std::uint64_t counter) {
  const Lock alone(mutex_);
  Of(member).draw_counter = counter;
}

std::size_t LapLedgers::CommittedBytes() {
  const Lock alone(mutex_);
  std::size_t bytes = sizeof(*this) + configs_.capacity() * sizeof(LapConfig) +
                      members_.capacity() * sizeof(Member);
  for (const Member& member : members_) {
    bytes += member.ledger.CommittedBytes();
    bytes += member.last_obs.capacity() * sizeof(std::vector<float>);
    for (const std::vector<float>& obs : member.last_obs) bytes += obs.capacity() * sizeof(float);
  }
  return bytes;
}

void LapLedgers::Save(const std::string& path, const RowsPlace& place,
                      const std::vector<Numbers>& numbers) {
  const Lock alone(mutex_);
  if (numbers.size() != members_.size()) {
    throw std::invalid_argument("weights and rows must have one array a member");
  }
  std::vector<MemberState> states;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const SlotLedger& ledger = members_[i].ledger;
    CheckCount("weights", numbers[i].weight_count, ledger.used_slots());
    CheckCount("rows", numbers[i].row_count, ledger.made_slots());
    states.push_back({&members_[i].ledger, configs_[i].seed, members_[i].draw_counter,
                      numbers[i].max_priority, numbers[i].weights, numbers[i].rows, nullptr});
  }
  SaveMembers(path, place, config(), states);
}

std::vector<LapBuffer> LapLedgers::Read(const std::string& path) const {
  return LoadMembers(path, configs_);
}

void LapLedgers::Restore(std::vector<LapBuffer>* loaded) {
  const Lock alone(mutex_);
  const auto same = [](const LapBuffer& a, const LapConfig& b) {
    return SameConfig(a.config(), b);
  };
  if (!std::equal(loaded->begin(), loaded->end(), configs_.begin(), configs_.end(), same)) {
    throw std::invalid_argument("the saved replay was read for other arguments");
  }
  std::vector<Member> members;
  members.reserve(members_.size());
  for (LapBuffer& buffer : *loaded) {
    const MemberState state = buffer.State();
    Member& member = members.emplace_back(config());
    member.draw_counter = state.draw_counter;
    for (std::size_t stream = 0; stream < member.last_obs.size(); ++stream) {
      const std::int64_t slot = state.ledger->OpenSlot(static_cast<std::int64_t>(stream));
      if (slot == SlotLedger::kNoSlot) continue;
      const float* obs = state.rows + slot * row_floats();
      member.last_obs[stream].assign(obs, obs + config().obs_size);
    }
    member.ledger = buffer.TakeLedger();
    member.ledger.Replaces(members_[members.size() - 1].ledger.segments_begun());
  }
  members_ = std::move(members);
}

}  // namespace td7
