#include "replay/lap_replay.h"

#include <stdexcept>
#include <utility>

#include "replay/lap_checks.h"

namespace td7 {

LapReplay::LapReplay(LapConfig config, const std::vector<std::uint64_t>& seeds) {
  if (seeds.empty()) throw std::invalid_argument("seeds must have at least one entry");
  configs_.reserve(seeds.size());
  members_.reserve(seeds.size());
  for (const std::uint64_t seed : seeds) {
    config.seed = seed;
    configs_.push_back(config);
    members_.emplace_back(config);
  }
}

void LapReplay::AddStep(std::int64_t member, std::int64_t stream, const float* obs,
                        const float* action, float reward, const float* next_obs, bool terminated,
                        bool truncated) {
  const Lock alone(mutex_);
  Member(member).AddStep(stream, obs, action, reward, next_obs, terminated, truncated);
}

void LapReplay::AddEpisode(std::int64_t member, std::int64_t stream, const Transitions& steps,
                           bool terminated) {
  const Lock alone(mutex_);
  Member(member).AddEpisode(stream, steps, terminated);
}

void LapReplay::AddTransitions(std::int64_t member, std::int64_t stream, const Transitions& steps,
                               const float* next_obs, const std::uint8_t* terminated,
                               const std::uint8_t* truncated) {
  const Lock alone(mutex_);
  Member(member).AddTransitions(stream, steps, next_obs, terminated, truncated);
}

void LapReplay::AddRows(std::int64_t member, std::int64_t first_stream, const Transitions& steps,
                        const float* next_obs, const std::uint8_t* terminated,
                        const std::uint8_t* truncated) {
  const Lock alone(mutex_);
  Member(member).AddRows(first_stream, steps, next_obs, terminated, truncated);
}

void LapReplay::EndEpisode(std::int64_t member, std::int64_t stream) {
  const Lock alone(mutex_);
  Member(member).EndEpisode(stream);
}

void LapReplay::SetDrawCounter(std::int64_t member, std::uint64_t counter) {
  const Lock alone(mutex_);
  Member(member).set_draw_counter(counter);
}

void LapReplay::Sample(const Members& members, std::int64_t n, const SampleOutput& output,
                       std::int64_t* drawn_at) {
  const Lock alone(mutex_);
  CheckDistinct(members, this->members());
  for (const std::int64_t member : members) Member(member).CheckSample(n);
  std::int64_t first = 0;
  for (const std::int64_t member : members) {
    Member(member).DrawAndGather(n, output.From(first, config().obs_size, config().action_size));
    first += n;
    if (drawn_at != nullptr) *drawn_at++ = Member(member).segments_begun();
  }
}

std::int64_t LapReplay::UpdatePriorities(const Members& members, const std::int64_t* index,
                                         const float* td_error, std::int64_t n,
                                         const std::int64_t* drawn_at) {
  const auto of = [drawn_at](std::int64_t i) {
    return drawn_at == nullptr ? drawn_at : drawn_at + i;
  };
  const Lock alone(mutex_);
  CheckDistinct(members, this->members());
  const auto count = static_cast<std::int64_t>(members.size());
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t member = members[static_cast<std::size_t>(i)];
    Member(member).CheckUpdate(index + i * n, td_error + i * n, n, i, of(i));
  }
  std::int64_t left_out = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t member = members[static_cast<std::size_t>(i)];
    left_out += Member(member).ApplyUpdate(index + i * n, td_error + i * n, n, of(i));
  }
  return left_out;
}

void LapReplay::ResetMaxPriority(const Members& members) {
  const Lock alone(mutex_);
  CheckDistinct(members, this->members());
  for (const std::int64_t member : members) Member(member).ResetMaxPriority();
}

void LapReplay::Clear(const Members& members) {
  const Lock alone(mutex_);
  CheckDistinct(members, this->members());
  std::vector<LapBuffer> empty;
  empty.reserve(members.size());
  for (const std::int64_t member : members) {
    LapBuffer& buffer = empty.emplace_back(configs_[static_cast<std::size_t>(member)]);
    buffer.set_draw_counter(Member(member).draw_counter());
    buffer.Replaces(Member(member).segments_begun());
  }
  for (std::size_t i = 0; i < empty.size(); ++i) Member(members[i]) = std::move(empty[i]);
}

std::size_t LapReplay::CommittedBytes() {
  const Lock alone(mutex_);
  std::size_t bytes = sizeof(*this) + configs_.capacity() * sizeof(LapConfig);
  for (const LapBuffer& member : members_) bytes += member.CommittedBytes();
  return bytes;
}

void LapReplay::Save(const std::string& path, const RowsPlace& place) {
  const Lock alone(mutex_);
  SaveMembers(path, place, &members_);
}

void LapReplay::Load(const std::string& path) {
  const Lock alone(mutex_);
  std::vector<LapBuffer> loaded = LoadMembers(path, configs_);
  for (std::size_t i = 0; i < loaded.size(); ++i) loaded[i].Replaces(members_[i].segments_begun());
  members_ = std::move(loaded);
}

LapBuffer& LapReplay::Member(std::int64_t member) {
  CheckIndex("member", member, members());
  return members_[static_cast<std::size_t>(member)];
}

}  // namespace td7
