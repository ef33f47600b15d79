// replay/lap_ledgers.h: it decides as LapReplay does, for sanitizers to see. Exits with 0 if all
// claims hold.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "random/philox.h"
#include "replay/device_ledger.h"
#include "replay/lap_replay.h"

namespace td7 {
namespace {

constexpr std::int64_t kObs = 3;
constexpr std::int64_t kRow = kObs + 1 + 2;

LapConfig Config() {
  LapConfig config;
  config.capacity = 300;
  config.obs_size = static_cast<int>(kObs);
  config.action_size = 1;
  config.streams = 2;
  return config;
}

// What a caller of LapLedgers keeps of one member, on the host for once.
struct Kept {
  void Follow(const LapLedgers::Placement& placement, const std::vector<float>& packed) {
    const float* from = packed.data();
    for (const auto& [first, count] : placement.evicted) {
      std::fill_n(weights.begin() + first, count, 0.0F);
    }
    for (const auto& [first, count] : placement.runs) {
      std::fill_n(weights.begin() + first, count, 1.0F);
      std::copy_n(from, count * kRow, rows.begin() + first * kRow);
      from += count * kRow;
      std::copy_n(from, kObs, rows.begin() + (first + count) * kRow);
    }
  }
  std::vector<float> weights = std::vector<float>(2000);
  std::vector<float> rows = std::vector<float>(2000 * kRow);
};

std::string FileOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string Saved(LapLedgers* ledgers, const std::vector<Kept>& kept, const std::string& path) {
  std::vector<LapLedgers::Numbers> numbers;
  for (std::int64_t member = 0; member < ledgers->members(); ++member) {
    const Kept& here = kept[static_cast<std::size_t>(member)];
    ledgers->Get(member, [&](const SlotLedger& ledger) {
      numbers.push_back(
          {1.0F, here.weights.data(), ledger.used_slots(), here.rows.data(), ledger.made_slots()});
      return 0;
    });
  }
  ledgers->Save(path, {}, numbers);
  return FileOf(path);
}

void FilesAreThoseOfLapReplay(const std::string& path) {
  LapReplay replay(Config(), {3, 4});
  LapLedgers ledgers(Config(), {3, 4});
  std::vector<Kept> kept(2);
  const PhiloxStream random(1, 2, 3);
  std::vector<double> uniforms(2 * 8 * 3);
  for (std::uint32_t i = 0; i < 2000; ++i) {
    const std::int64_t member = i % 3 == 0 ? 1 : 0;
    const std::int64_t stream = i % 7 == 0 ? 1 : 0;
    const auto number = static_cast<float>(i);
    const std::vector<float> obs(kObs, number);
    const std::vector<float> next_obs(kObs, number + 3.0F);
    const bool ends = random.Uniform(i) < 0.1;
    std::vector<float> packed(2 * kRow);
    replay.AddStep(member, stream, obs.data(), &number, number, next_obs.data(), ends, false);
    kept[static_cast<std::size_t>(member)].Follow(
        ledgers.AddStep(member, stream, obs.data(), &number, number, next_obs.data(), ends, false,
                        packed.data()),
        packed);
    if (i % 200 == 199) {
      const std::int64_t steps = i % 300;
      const std::vector<float> many(static_cast<std::size_t>((steps + 1) * kObs), number);
      packed.resize(static_cast<std::size_t>((steps + 1) * kRow));
      replay.AddEpisode(member, stream, {steps, many.data(), many.data(), many.data()}, true);
      kept[static_cast<std::size_t>(member)].Follow(
          ledgers.AddEpisode(member, stream, {steps, many.data(), many.data(), many.data()}, true,
                             packed.data()),
          packed);
    }
  }
  replay.Save(path, {});
  const std::string wanted = FileOf(path);
  CHECK(Saved(&ledgers, kept, path) == wanted);

  LapLedgers loaded(Config(), {3, 4});
  std::vector<LapBuffer> buffers = loaded.Read(path);
  LapLedgers other(Config(), {3, 4, 5});
  CHECK_THROWS(other.Restore(&buffers), std::invalid_argument, "was read for other arguments");
  CHECK(loaded.Get(0, [](const SlotLedger& ledger) { return ledger.size(); }) == 0);
  loaded.Restore(&buffers);
  CHECK(Saved(&loaded, kept, path) == wanted);
  ledgers.FillUniforms({1, 0}, 1, 8, 3, uniforms.data());
  CHECK(ledgers.DrawCounter(0) == 1 && loaded.DrawCounter(0) == 0);
  CHECK_THROWS(ledgers.FillUniforms({1, 0}, 1, 8, 2, uniforms.data()), std::invalid_argument,
               "levels must be at least 3, got 2");
  CHECK_THROWS(loaded.Save(path, {}, {}), std::invalid_argument, "one array a member");
  CHECK_THROWS(
      loaded.Save(path, {}, {{1.0F, nullptr, 0, nullptr, 0}, {1.0F, nullptr, 0, nullptr, 0}}),
      std::invalid_argument, "weights must be of");
  std::remove(path.c_str());
}

// AddRows and Clear decide as LapReplay's, and count the segments alike.
void RowsAndClearsAreThoseOfLapReplay(const std::string& path) {
  LapReplay replay(Config(), {3, 4});
  LapLedgers ledgers(Config(), {3, 4});
  std::vector<Kept> kept(2);
  const std::vector<std::uint8_t> no(2, 0);
  for (int i = 0; i < 700; ++i) {
    const std::size_t member = i % 3 == 0 ? 1 : 0;
    const auto named = static_cast<std::int64_t>(member);
    const std::vector<float> obs(2 * kObs, static_cast<float>(i));
    const std::vector<float> next_obs(2 * kObs, static_cast<float>(i + i % 2));
    const std::vector<std::uint8_t> ends{i % 10 == 0, i % 5 == 0};
    std::vector<float> packed(2 * kRow);
    const Transitions steps{2, obs.data(), obs.data(), obs.data()};
    replay.AddRows(named, 0, steps, next_obs.data(), ends.data(), no.data());
    const LapLedgers::Placement placed =
        ledgers.AddRows(named, 0, steps, next_obs.data(), ends.data(), no.data(), packed.data());
    CHECK(placed.runs.size() == 2);
    kept[member].Follow({placed.evicted, {}}, packed);
    for (std::size_t row = 0; row < placed.runs.size(); ++row) {
      const auto here = packed.begin() + static_cast<std::ptrdiff_t>(row) * kRow;
      std::vector<float> alone(here, here + kRow);
      alone.insert(alone.end(), next_obs.begin(), next_obs.begin() + kObs);
      kept[member].Follow({{}, {placed.runs[row]}}, alone);
    }
    CHECK(replay.Get(named, [](const LapBuffer& b) { return b.segments_begun(); }) ==
          ledgers.Get(named, [](const SlotLedger& l) { return l.segments_begun(); }));
    if (i != 300) continue;
    replay.Clear({1});
    ledgers.Clear({1});
    kept[1] = Kept();
  }
  replay.Save(path, {});
  const std::string wanted = FileOf(path);
  CHECK(Saved(&ledgers, kept, path) == wanted);
  const std::vector<float> three(3 * kObs);
  const std::vector<std::uint8_t> flags(3, 0);
  std::vector<float> packed(3 * kRow);
  const Transitions steps{3, three.data(), three.data(), three.data()};
  CHECK_THROWS(
      ledgers.AddRows(0, 0, steps, three.data(), flags.data(), flags.data(), packed.data()),
      std::invalid_argument, "obs must have at most 2 rows");
  CHECK_THROWS(replay.AddRows(0, 2, steps, three.data(), flags.data(), flags.data()),
               std::out_of_range, "stream must be from 0 to 1, got 2");
  std::remove(path.c_str());
}

}  // namespace
}  // namespace td7

int main(int, char** arguments) {
  td7::FilesAreThoseOfLapReplay(std::string(arguments[0]) + ".saved");
  td7::RowsAndClearsAreThoseOfLapReplay(std::string(arguments[0]) + ".rows");
  return failures == 0 ? 0 : 1;
}
