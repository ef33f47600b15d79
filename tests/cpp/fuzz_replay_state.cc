// Feeds altered files of saved replays to LoadMembers (lap_state.h): each is loaded or refused by
// name, and what was loaded can be drawn from, added to and saved. Made to run under sanitizers.
//
//   fuzz_replay_state [seed [count [first [folder]]]]
//
// The same numbers give the same inputs: input i depends on the seed and i alone, so that
// `seed 1 i` makes input i once more. Exits with 0 if all claims hold.
#include <algorithm>
#include <array>
#include <cctype>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

#include "replay/device_ledger.h"
#include "replay/files/checksum.h"
#include "replay/lap_buffer.h"
#include "replay/lap_state.h"
#include "replay_cases.h"
#include "replay_mutations.h"

// A claim of the file's must not become an allocation: the states here are small.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "max_allocation_size_mb=64"; }

namespace td7 {
namespace {

constexpr unsigned kMostSeconds = 30;  // for one input, on a busy machine

// What the inputs came to, by reason.
using Outcomes = std::map<std::string, std::int64_t>;

std::uint64_t SumOf(const std::string& bytes) {
  Checksum checksum;
  checksum.Add(bytes.data(), bytes.size());
  return checksum.Value();
}

std::string PieceName(std::uint64_t sum) {
  std::array<char, 17> name{};
  std::snprintf(name.data(), name.size(), "%016llx", static_cast<unsigned long long>(sum));
  return name.data();
}

// Alters a piece; mostly names it by what it holds now, in the file too.
void AlterPiece(Dice* dice, std::map<std::string, std::string>* pieces, std::string* file) {
  if (pieces->empty()) return;
  auto chosen = std::next(pieces->begin(), dice->Below(static_cast<std::int64_t>(pieces->size())));
  std::string content = chosen->second;
  const std::string name = chosen->first;
  switch (dice->Below(8)) {
    case 0:
      pieces->erase(chosen);
      return;
    case 1:
      content.resize(dice->Place(content.size() + 1));
      break;
    case 2:
      content.append(1 + dice->Place(64), '\0');
      break;
    default:
      AlterWord(dice, &content, content.size());
  }
  if (dice->Below(4) == 0) {
    chosen->second = content;
    return;
  }
  const std::uint64_t old = std::strtoull(name.c_str(), nullptr, 16);
  const std::uint64_t sum = SumOf(content);
  const std::string before(reinterpret_cast<const char*>(&old), sizeof old);
  const std::string after(reinterpret_cast<const char*>(&sum), sizeof sum);
  for (std::size_t at = file->find(before); at != std::string::npos; at = file->find(before, at)) {
    file->replace(at, before.size(), after);
    at += after.size();
  }
  (*pieces)[PieceName(sum)] = content;
}

// Gives most inputs the checksum, and the size, that they claim to have.
void Sign(Dice* dice, std::string* file) {
  if (dice->Below(16) == 0 || file->size() < 16) return;
  const std::uint64_t size = file->size();
  if (dice->Below(16) != 0) std::memcpy(&(*file)[8], &size, sizeof size);
  const std::uint64_t sum = SumOf(file->substr(0, file->size() - 8));
  std::memcpy(&(*file)[file->size() - 8], &sum, sizeof sum);
}

class Pieces {
 public:
  // Puts altered pieces in the place of a case's, until the object goes.
  Pieces(const Case& of, const std::map<std::string, std::string>& now) : of_(of) { Put(now); }
  ~Pieces() { Put(of_.pieces); }
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;

 private:
  void Put(const std::map<std::string, std::string>& pieces) const {
    std::filesystem::remove_all(of_.path + ".rows");
    std::filesystem::create_directory(of_.path + ".rows");
    for (const auto& [name, content] : pieces) Write(of_.path + ".rows/" + name, content);
  }
  const Case& of_;
};

// The words of a refusal without path and numbers.
std::string ReasonOf(std::string text, const std::string& path) {
  for (std::size_t at = text.find(path); at != std::string::npos; at = text.find(path)) {
    text.replace(at, path.size(), "F");
  }
  const std::size_t other = text.find(", this replay has");
  if (other != std::string::npos) return text.substr(0, text.rfind(' ', other - 1)) + " of its own";
  constexpr std::size_t kNameSize = 16;
  const std::size_t piece = text.find("F.rows/");
  if (piece != std::string::npos) text.replace(piece + 7, kNameSize, "#");
  std::string reason;
  for (const char letter : text) {
    const bool digit = std::isdigit(static_cast<unsigned char>(letter)) != 0;
    if (!digit) {
      reason += letter;
    } else if (reason.empty() || reason.back() != '#') {
      reason += '#';
    }
  }
  return reason;
}

// A file without its checksum and with an alpha of -0, which is as good as 0, made 0.
std::string Unsigned(const std::string& file) {
  std::string rest = file.substr(0, file.size() - 8);
  if (Get<double>(rest, Layout::kAlpha) == 0.0) Put(&rest, Layout::kAlpha, 0.0);
  return rest;
}

// What was loaded is what the file said, and can be used; returns what came of it.
std::string Use(const Case& of, const std::string& file, std::vector<LapBuffer>* members,
                Dice* dice, const std::string& again) {
  const bool in_pieces = Get<std::uint64_t>(file, Layout::kPieceRows) != 0;
  const auto save = [&] {
    std::filesystem::remove_all(again + ".rows");
    SaveMembers(again, {in_pieces, in_pieces ? of.path : ""}, members);
  };
  save();
  if (Unsigned(Read(again)) != Unsigned(file)) {
    throw std::logic_error("what was loaded is saved as something else");
  }
  try {
    for (LapBuffer& member : *members) {
      for (int round = 0; round < 6; ++round) {
        Draw(&member, dice);
        AddSomething(&member, dice);
      }
      Batch batch(static_cast<std::size_t>(member.config().capacity) + 1, member.config());
      member.AddEpisode(
          0, {member.config().capacity, batch.obs.data(), batch.action.data(), batch.reward.data()},
          true);
      Draw(&member, dice);
    }
  } catch (const std::length_error&) {
    return "loaded, then out of slots";
  }
  save();
  try {
    LoadMembers(again, of.configs);
  } catch (const std::invalid_argument&) {
    return "loaded, and refused once it had been used";
  }
  return file == of.file ? "loaded as it was" : "loaded";
}

// The same file for a replay whose rows lie on a device.
void UseLedgers(const Case& of) {
  std::vector<std::uint64_t> seeds;
  for (const LapConfig& config : of.configs) seeds.push_back(config.seed);
  LapLedgers ledgers(of.configs.front(), seeds);
  std::vector<LapBuffer> loaded = ledgers.Read(of.path);
  ledgers.Restore(&loaded);
  const std::int64_t steps = ledgers.config().capacity;
  const Batch batch(static_cast<std::size_t>(steps) + 1, ledgers.config());
  std::vector<float> rows(static_cast<std::size_t>((steps + 1) * ledgers.row_floats()));
  for (std::int64_t member = 0; member < ledgers.members(); ++member) {
    try {
      ledgers.AddStep(member, 0, batch.obs.data(), batch.action.data(), 0.0F, batch.obs.data(),
                      false, false, rows.data());
      ledgers.AddEpisode(member, 0,
                         {steps, batch.obs.data(), batch.action.data(), batch.reward.data()}, true,
                         rows.data());
    } catch (const std::length_error&) {
      continue;
    }
    const std::int64_t levels = ledgers.Levels(member);
    std::vector<double> uniforms(static_cast<std::size_t>(4 * levels));
    ledgers.FillUniforms({member}, 1, 4, levels, uniforms.data());
  }
}

std::string Try(const std::vector<Case>& cases, Dice* dice, const std::string& again) {
  std::size_t place = dice->Place(cases.size());
  if (place % 16 == 15 && dice->Below(100) != 0) --place;  // large ones take long
  const Case& of = cases[place];
  std::string file = of.file;
  std::map<std::string, std::string> pieces = of.pieces;
  const bool alters_pieces = of.in_pieces && dice->Below(4) == 0;
  if (alters_pieces) AlterPiece(dice, &pieces, &file);
  const auto streams = static_cast<std::size_t>(of.configs.front().streams);
  const std::string& other = cases[dice->Place(cases.size())].file;
  for (std::int64_t left = dice->Below(4) + (alters_pieces ? 0 : 1); left > 0; --left) {
    Alter(dice, Layout::Of(file, streams), other, &file);
  }
  Sign(dice, &file);
  Write(of.path, file);
  std::optional<Pieces> altered;
  if (alters_pieces) altered.emplace(of, pieces);
  try {
    std::vector<LapBuffer> members = LoadMembers(of.path, of.configs);
    if (dice->Below(4) == 0) UseLedgers(of);
    return Use(of, file, &members, dice, again);
  } catch (const std::invalid_argument& error) {
    const std::string text = error.what();
    if (text.find(of.path) == std::string::npos) throw;
    return ReasonOf(text, of.path);
  } catch (const std::system_error& error) {
    const std::string text = error.what();
    if (text.find(of.path) == std::string::npos) throw;
    return ReasonOf(text, of.path);
  }
}

int Run(std::uint64_t seed, std::int64_t count, std::int64_t first, const std::string& folder) {
  std::vector<Case> cases;
  for (std::int64_t number = 0; number < 64; ++number) {
    cases.push_back(MakeCase(number, seed, folder));
  }
  Outcomes outcomes;
  for (std::int64_t input = first; input < first + count; ++input) {
    Dice dice(seed, static_cast<std::uint64_t>(input) + 1'000'000);
#if defined(__unix__) || defined(__APPLE__)
    alarm(kMostSeconds);  // an input that hangs ends the program
#endif
    try {
      ++outcomes[Try(cases, &dice, folder + "/again")];
    } catch (const std::exception& error) {
      std::fprintf(stderr, "seed %llu, input %lld: %s\n", static_cast<unsigned long long>(seed),
                   static_cast<long long>(input), error.what());
      return 1;
    }
  }
  std::printf("%lld inputs to LoadMembers, seed %llu\n", static_cast<long long>(count),
              static_cast<unsigned long long>(seed));
  for (const auto& [reason, times] : outcomes) {
    std::printf("%9lld  %s\n", static_cast<long long>(times), reason.c_str());
  }
  return 0;
}

std::string OwnFolder(const std::string& within) {
  std::filesystem::path folder = within;
  if (within.empty()) {
    folder = "/dev/shm";  // the device's own pace is of no interest
    std::error_code missing;
    if (!std::filesystem::is_directory(folder, missing)) {
      folder = std::filesystem::temp_directory_path();
    }
  }
  for (int number = 0;; ++number) {
    const std::filesystem::path own = folder / ("td7-fuzz-" + std::to_string(number));
    if (std::filesystem::create_directory(own)) return own.string();
  }
}

}  // namespace
}  // namespace td7

int main(int count, char** arguments) {
  const auto number = [&](int place, std::int64_t otherwise) {
    return place < count ? std::strtoll(arguments[place], nullptr, 10) : otherwise;
  };
  const std::string folder = td7::OwnFolder(count > 4 ? arguments[4] : "");
  const int status =
      td7::Run(static_cast<std::uint64_t>(number(1, 1)), number(2, 3000), number(3, 0), folder);
  if (status == 0) std::filesystem::remove_all(folder);  // else the input is still there
  return status;
}
