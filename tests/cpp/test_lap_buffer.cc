// replay/lap_buffer.h and lap_state.h: the memory of a buffer under random use, for sanitizers to
// see. Exits with 0 if all claims hold. The rules themselves are tested from Python against a slow
// twin.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "random/philox.h"
#include "replay/files/checksum.h"
#include "replay/lap_buffer.h"
#include "replay/lap_state.h"

namespace td7 {
namespace {

constexpr std::size_t kObs = 5;
constexpr std::size_t kAction = 2;

LapConfig Config(std::int64_t capacity, int streams) {
  LapConfig config;
  config.capacity = capacity;
  config.obs_size = static_cast<int>(kObs);
  config.action_size = static_cast<int>(kAction);
  config.streams = streams;
  config.seed = 42;
  return config;
}

// A batch with memory of its own, of exactly the needed size.
struct Batch {
  explicit Batch(std::size_t n)
      : obs(n * kObs),
        action(n * kAction),
        reward(n),
        next_obs(n * kObs),
        not_terminated(n),
        index(n),
        probability(n) {}
  SampleOutput output() {
    return {obs.data(),   action.data(),     reward.data(), next_obs.data(), not_terminated.data(),
            index.data(), probability.data()};
  }
  std::vector<float> obs, action, reward, next_obs, not_terminated;
  std::vector<std::int64_t> index;
  std::vector<double> probability;
};

// Uniform numbers in order.
class Dice {
 public:
  std::int64_t Below(std::int64_t end) {
    return static_cast<std::int64_t>(stream_.Uniform(next_++) * static_cast<double>(end));
  }

 private:
  PhiloxStream stream_{9, StreamId("test"), 0};
  std::uint32_t next_ = 0;
};

// Transition `number` has obs = number, next_obs = number + 1.
void AddNumber(LapBuffer* buffer, std::int64_t stream, float number, bool ends) {
  const std::vector<float> obs(kObs, number);
  const std::vector<float> next_obs(kObs, number + 1.0F);
  const std::vector<float> action(kAction, -number);
  buffer->AddStep(stream, obs.data(), action.data(), number, next_obs.data(), ends, false);
}

void AddNumbers(LapBuffer* buffer, std::int64_t stream, float number, std::int64_t steps) {
  const auto n = static_cast<std::size_t>(steps);
  std::vector<float> obs((n + 1) * kObs);
  std::vector<float> action(n * kAction);
  std::vector<float> reward(n);
  for (std::size_t t = 0; t <= n; ++t) {
    const float here = number + static_cast<float>(t);
    std::fill_n(obs.begin() + static_cast<std::ptrdiff_t>(t * kObs), kObs, here);
    if (t == n) break;
    std::fill_n(action.begin() + static_cast<std::ptrdiff_t>(t * kAction), kAction, -here);
    reward[t] = here;
  }
  buffer->AddEpisode(stream, {steps, obs.data(), action.data(), reward.data()}, true);
}

void SampleAndUpdate(LapBuffer* buffer, Dice* dice) {
  const std::int64_t n = 1 + dice->Below(600);
  Batch batch(static_cast<std::size_t>(n));
  buffer->Sample(n, batch.output());
  std::vector<float> error(batch.index.size());
  for (std::size_t b = 0; b < error.size(); ++b) {
    CHECK(batch.obs[b * kObs] == batch.reward[b]);
    CHECK(batch.obs[b * kObs + kObs - 1] == batch.reward[b]);
    CHECK(batch.next_obs[b * kObs + kObs - 1] == batch.reward[b] + 1.0F);
    CHECK(batch.action[b * kAction + kAction - 1] == -batch.reward[b]);
    CHECK(batch.probability[b] > 0.0 && batch.probability[b] <= 1.0);
    error[b] = static_cast<float>(dice->Below(1000));
  }
  buffer->UpdatePriorities(batch.index.data(), error.data(), n);
}

void RandomUseKeepsEveryRowWhole(std::int64_t capacity, int streams) {
  LapBuffer buffer(Config(capacity, streams));
  Dice dice;
  float number = 0.0F;
  for (int round = 0; round < 1500; ++round) {
    const std::int64_t stream = dice.Below(streams);
    const std::int64_t steps = 1 + dice.Below(std::min<std::int64_t>(capacity, 700));
    switch (dice.Below(8)) {
      case 0:
        AddNumbers(&buffer, stream, number, steps);
        number += static_cast<float>(steps);
        break;
      case 1:
        buffer.EndEpisode(stream);
        break;
      case 2:
        if (buffer.size() > 0) SampleAndUpdate(&buffer, &dice);
        break;
      case 3:
        buffer.ResetMaxPriority();
        break;
      default:
        AddNumber(&buffer, stream, number, dice.Below(10) == 0);
        number += 1.0F;
    }
    CHECK(buffer.size() <= capacity);
  }
  CHECK(buffer.size() == capacity);
  CHECK(buffer.StateIsSound());
}

// The worst case for slots: episodes of one step, one stream far slower than the others.
void OneStepEpisodesFitTheReservedSlots() {
  for (const int streams : {1, 3, 50}) {
    for (const std::int64_t capacity : {1, 16, 100, 5000}) {
      LapBuffer buffer(Config(capacity, streams));
      for (std::int64_t i = 0; i < 6 * capacity + 6000; ++i) {
        const std::int64_t fast = streams > 1 ? 1 + i % (streams - 1) : 0;
        AddNumber(&buffer, i % 97 == 0 ? 0 : fast, static_cast<float>(i % 100000), true);
      }
      CHECK(buffer.size() == capacity);
      CHECK(buffer.StateIsSound());
    }
  }
}

// Rows of all streams at once, as a vector of environments gives them.
void AddRow(LapBuffer* buffer, float number) {
  const auto n = static_cast<std::size_t>(buffer->config().streams);
  std::vector<float> obs(n * kObs);
  std::vector<float> next_obs(n * kObs);
  std::vector<float> action(n * kAction);
  std::vector<float> reward(n);
  for (std::size_t i = 0; i < n; ++i) {
    reward[i] = number + static_cast<float>(i);
    std::fill_n(obs.begin() + static_cast<std::ptrdiff_t>(i * kObs), kObs, reward[i]);
    std::fill_n(next_obs.begin() + static_cast<std::ptrdiff_t>(i * kObs), kObs, reward[i] + 1.0F);
    std::fill_n(action.begin() + static_cast<std::ptrdiff_t>(i * kAction), kAction, -reward[i]);
  }
  const std::vector<std::uint8_t> no(n, 0);
  buffer->AddRows(0, {static_cast<std::int64_t>(n), obs.data(), action.data(), reward.data()},
                  next_obs.data(), no.data(), no.data());
}

void RowsOfAllStreamsAreWholeAndLateUpdatesLeaveOutWhatIsGone() {
  LapBuffer buffer(Config(300, 3));
  Dice dice;
  float number = 0.0F;
  for (int round = 0; round < 400; ++round) {
    AddRow(&buffer, number);
    SampleAndUpdate(&buffer, &dice);
    number += 10.0F;
    if (round % 20 != 0) continue;
    Batch batch(100);
    buffer.Sample(100, batch.output());
    const std::int64_t drawn_at = buffer.segments_begun();
    const std::vector<float> error(100, 1.0F);
    CHECK(buffer.UpdatePriorities(batch.index.data(), error.data(), 100, drawn_at) == 0);
    for (int later = 0; later < 300; ++later, number += 10.0F) AddRow(&buffer, number);
    const std::vector<float> huge(100, 1e30F);
    CHECK(buffer.UpdatePriorities(batch.index.data(), huge.data(), 100, drawn_at) == 100);
    CHECK(buffer.max_priority() < 1e6F);
  }
  CHECK(buffer.size() == 300);
  CHECK(buffer.StateIsSound());
}

void MovedBuffersGoOn() {
  std::vector<LapBuffer> buffers;
  for (int i = 0; i < 5; ++i) {
    buffers.emplace_back(Config(100, 1));
    AddNumber(&buffers.front(), 0, static_cast<float>(i), false);
  }
  CHECK(buffers.front().size() == 5);
  LapBuffer taken = std::move(buffers.front());
  buffers.clear();
  AddNumber(&taken, 0, 5.0F, false);
  CHECK(taken.size() == 6);
}

void SavedBuffersComeBack(const std::string& path) {
  std::vector<LapBuffer> saved;
  saved.emplace_back(Config(3000, 2));
  for (int i = 0; i < 5000; ++i) {
    AddNumber(&saved.front(), i % 2, static_cast<float>(i), i % 31 == 0);
  }
  SaveMembers(path, {}, &saved);
  std::vector<LapBuffer> loaded = LoadMembers(path, {saved.front().config()});
  Batch a(300);
  Batch b(300);
  saved.front().Sample(300, a.output());
  loaded.front().Sample(300, b.output());
  CHECK(a.index == b.index && a.obs == b.obs && a.next_obs == b.next_obs);
  CHECK_THROWS(LoadMembers(path, {Config(3001, 2)}), std::invalid_argument, "has capacity 3000");
  std::remove(path.c_str());
}

void BadInputThrows() {
  LapBuffer buffer(Config(10, 1));
  Batch batch(4);
  CHECK_THROWS(buffer.Sample(4, batch.output()), std::invalid_argument, "holds no transition");
  AddNumber(&buffer, 0, 1.0F, false);
  const std::int64_t dead = 1;
  const std::int64_t far = std::numeric_limits<std::int64_t>::max();
  const std::int64_t live = 0;
  const float error = 1.0F;
  const float nan = std::nanf("");
  CHECK_THROWS(buffer.UpdatePriorities(&dead, &error, 1), std::out_of_range, "index[0] = 1 is out");
  CHECK_THROWS(buffer.UpdatePriorities(&far, &error, 1), std::out_of_range, "is out of range");
  CHECK_THROWS(buffer.UpdatePriorities(&live, &nan, 1), std::invalid_argument, "td_error[0]");
  CHECK_THROWS(buffer.UpdatePriorities(&far, &error, 1, 1), std::out_of_range, "must be from 0 to");
  CHECK_THROWS(buffer.UpdatePriorities(&live, &nan, 1, 1), std::invalid_argument, "td_error[0]");
  CHECK_THROWS(buffer.UpdatePriorities(&live, &error, 1, 2), std::invalid_argument,
               "drawn_at must be from 0 to 1, got 2");
  CHECK_THROWS(buffer.EndEpisode(1), std::out_of_range, "stream must be from 0 to 0, got 1");
  CHECK_THROWS(LapBuffer(Config(0, 1)), std::invalid_argument, "capacity must be from 1");
}

void ChecksumIsXxh64() {
  Checksum checksum;
  CHECK(checksum.Value() == 0xef46db3751d8e999);
  checksum.Add("a", 1);
  checksum.Add("bc", 2);
  CHECK(checksum.Value() == 0x44bc2cf5ad770999);
  std::vector<unsigned char> bytes(1000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<unsigned char>(i * 7);
  Checksum whole;
  whole.Add(bytes.data(), bytes.size());
  for (const std::size_t piece : {1U, 3U, 31U, 32U, 33U, 100U}) {
    Checksum parts;
    for (std::size_t i = 0; i < bytes.size(); i += piece) {
      parts.Add(bytes.data() + i, std::min(piece, bytes.size() - i));
    }
    CHECK(parts.Value() == whole.Value());
  }
}

}  // namespace
}  // namespace td7

int main(int, char** arguments) {
  for (const std::int64_t capacity : {1, 15, 100, 2000}) {
    for (const int streams : {1, 4}) td7::RandomUseKeepsEveryRowWhole(capacity, streams);
  }
  td7::OneStepEpisodesFitTheReservedSlots();
  td7::RowsOfAllStreamsAreWholeAndLateUpdatesLeaveOutWhatIsGone();
  td7::MovedBuffersGoOn();
  td7::SavedBuffersComeBack(std::string(arguments[0]) + ".saved");
  td7::BadInputThrows();
  td7::ChecksumIsXxh64();
  return failures == 0 ? 0 : 1;
}
