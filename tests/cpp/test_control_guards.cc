// The guards of a control loop, and files that are whole: NaN never comes out, nor anything out of
// bounds, whatever goes in. Exits with 0 if all claims hold.
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "bundle/whole_file.h"
#include "check.h"
#include "controller/guards.h"

namespace td7 {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

GuardSettings Wide() {
  GuardSettings settings;
  settings.low = {-1000.0f};
  settings.high = {1000.0f};
  settings.obs_size = 2;
  return settings;
}

bool Is(const Fault& fault, std::int64_t period, FaultKind kind, int entry) {
  return fault.period == period && fault.kind == kind && fault.entry == entry;
}

void AnImplausibleObservationIsNamedByItsEntry() {
  GuardSettings settings = Wide();
  settings.obs_low = {-1.0f, 0.0f};
  settings.obs_high = {1.0f, 2.0f};
  Guards guards(settings);
  const float edge[] = {1.0f, 0.0f}, over[] = {0.0f, 2.5f}, infinite[] = {0.0f, -kInf};
  CHECK(guards.PassObs(0, true, edge, 0));
  CHECK(!guards.PassObs(1, true, over, 0) && !guards.PassObs(2, true, infinite, 0));
  CHECK(Is(guards.faults()[0], 1, FaultKind::kObsOutOfRange, 1));
  CHECK(Is(guards.faults()[1], 2, FaultKind::kObsNotFinite, 1));
}

void ActionsAreClippedAndTheirChangesLimited() {
  GuardSettings settings;
  settings.low = {-1.0f, 2.0f};
  settings.high = {1.0f, 10.0f};
  settings.max_step = 0.5;
  Guards guards(settings);
  CHECK((guards.safe() == std::vector<float>{0.0f, 2.0f}));
  const auto passed = [&](float first, float second) {
    std::vector<float> action{first, second};
    guards.PassAction(0, true, action.data());
    return action;
  };
  CHECK((passed(5.0f, 2.25f) == std::vector<float>{0.5f, 2.25f}));  // from the safe one
  CHECK((passed(0.75f, 9.0f) == std::vector<float>{0.75f, 2.75f}));
  CHECK((passed(1.0f, 3.0f) == std::vector<float>{1.0f, 3.0f}));
  CHECK((passed(kInf, 3.0f) == std::vector<float>{0.0f, 2.0f}));  // the safe one, at once
  CHECK((passed(0.25f, 99.0f) == std::vector<float>{0.25f, 2.5f}));
  CHECK(guards.clipped() == 2 && guards.slowed() == 3 && guards.saved() == 1);
}

void NothingIsHeldBeforeThePolicyHasActed() {
  GuardSettings settings = Wide();
  settings.hold = 3;
  settings.safe = {-7.0f};
  Guards guards(settings);
  float action[] = {0.0f};
  const auto substituted = [&](std::int64_t held, std::int64_t saved) {
    guards.Substitute(action);
    return action[0] == -7.0f && guards.held() == held && guards.saved() == saved;
  };
  CHECK(substituted(0, 1) && substituted(0, 2));
  guards.PassAction(2, false, action);  // the policy fails: the safe action, once more
  CHECK(substituted(0, 4));
  action[0] = 5.0f;
  guards.PassAction(4, true, action);
  guards.Substitute(action);
  CHECK(action[0] == 5.0f && guards.held() == 1 && guards.saved() == 4);
}

void NoNanAndNothingOutOfBoundsComesOutWhateverGoesIn() {
  GuardSettings settings;
  settings.low = {-3.4e38f, -1.0f};
  settings.high = {3.4e38f, 0.5f};
  settings.obs_size = 2;
  settings.max_step = 1e38;
  settings.hold = 1;
  Guards guards(settings);
  std::mt19937 random(7);
  const float odd[] = {kNan, kInf, -kInf, 3.4e38f, -3.4e38f, 0.0f, -0.0f, 1e-45f, 0.5f};
  const auto any = [&] { return odd[random() % std::size(odd)]; };
  for (std::int64_t period = 0; period < 100000; ++period) {
    const float obs[] = {any(), any()};
    float action[] = {any(), any()};
    if (guards.PassObs(period, random() % 9 != 0, obs, 0)) {
      guards.PassAction(period, random() % 9 != 0, action);
    } else {
      guards.Substitute(action);
    }
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(settings.low[i] <= action[i] && action[i] <= settings.high[i]);
    }
  }
  CHECK(guards.faults().size() == Guards::kMostFaults && guards.held() > 0);
  std::int64_t faults = 0;
  for (std::size_t i = 0; i < kFaultKinds; ++i) {
    faults += guards.faults_of(static_cast<FaultKind>(i));
  }
  CHECK(faults > 50000);
}

void SettingsThatAreNoneAreRefused() {
  const auto with = [](void (*change)(GuardSettings*)) {
    GuardSettings settings = Wide();
    change(&settings);
    return settings;
  };
  const auto throws = [&](void (*change)(GuardSettings*), const char* text) {
    CHECK_THROWS(Guards(with(change)), std::invalid_argument, text);
  };
  throws([](GuardSettings* s) { s->high = {1, 2}; }, "high must have 1 numbers, got 2");
  throws([](GuardSettings* s) { s->low = {kNan}; }, "low and high must be finite");
  throws([](GuardSettings* s) { s->low = {2000}; }, "low not above high, at entry 0");
  throws([](GuardSettings* s) { s->safe = {kNan}; }, "safe must be within the bounds");
  throws([](GuardSettings* s) { s->safe = {1, 2}; }, "safe must have 1 numbers, got 2");
  throws([](GuardSettings* s) { s->obs_low = {1, 2}; }, "obs_high must have 2 numbers, got 0");
  throws([](GuardSettings* s) { s->hold = -1; }, "hold must be at least 0");
  throws([](GuardSettings* s) { s->stale_ns = -1; }, "stale_ns must be at least 0");
  throws([](GuardSettings* s) { s->max_step = kNan; }, "max_step must be at least 0");
}

void AFileIsReplacedWhole() {
  namespace fs = std::filesystem;
  const fs::path folder =
      fs::temp_directory_path() / ("td7_whole_file_" + std::to_string(getpid()));
  fs::create_directory(folder);
  const std::string path = (folder / "log.json").string();
  const auto content = [&] {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  ExpectWritable(path);
  CHECK(!fs::exists(path));
  WriteWhole(path, std::string(100000, 'x'));
  CHECK(content() == std::string(100000, 'x'));
  WriteWhole(path, "new");
  CHECK(content() == "new" && !fs::exists(path + ".partial"));
  fs::create_directory(path + ".partial");  // so that nothing can be written
  CHECK_THROWS(WriteWhole(path, "newer"), std::runtime_error, ".partial cannot be written");
  CHECK(content() == "new");
  const std::string nowhere = (folder / "no" / "log").string();
  CHECK_THROWS(ExpectWritable(path), std::runtime_error, ".partial cannot be written: File exists");
  CHECK_THROWS(ExpectWritable(nowhere), std::runtime_error, "partial cannot be written: No such");
  CHECK_THROWS(ExpectWritable(folder.string()), std::runtime_error, "Is a directory");
  fs::remove_all(folder);
}

void OnlyPlainFilesAreReplaced() {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("td7_no_file_" + std::to_string(getpid()));
  fs::create_directory(folder);
  const std::string pipe = (folder / "pipe").string(), link = (folder / "link").string();
  const std::string precious = (folder / "precious").string();
  CHECK(mkfifo(pipe.c_str(), 0600) == 0);
  WriteWhole(precious, "kept");
  fs::create_symlink(precious, link);
  for (const std::string& path : {pipe, link, std::string("/dev/null")}) {
    CHECK_THROWS(ExpectWritable(path), std::runtime_error, " cannot be written: it is no plain");
    CHECK_THROWS(WriteWhole(path, "new"), std::runtime_error, " cannot be written: it is no plain");
  }
  CHECK(fs::is_fifo(pipe) && fs::is_symlink(link));
  const std::string log = (folder / "log").string();
  fs::create_symlink(precious, log + ".partial");
  ExpectWritable(log);
  CHECK(!fs::exists(fs::symlink_status(log + ".partial")));
  fs::create_symlink(precious, log + ".partial");
  WriteWhole(log, "new");
  CHECK(fs::file_size(log) == 3 && !fs::is_symlink(log) && fs::file_size(precious) == 4);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace td7

int main() {
  td7::AnImplausibleObservationIsNamedByItsEntry();
  td7::ActionsAreClippedAndTheirChangesLimited();
  td7::NothingIsHeldBeforeThePolicyHasActed();
  td7::NoNanAndNothingOutOfBoundsComesOutWhateverGoesIn();
  td7::SettingsThatAreNoneAreRefused();
  td7::AFileIsReplacedWhole();
  td7::OnlyPlainFilesAreReplaced();
  return failures > 0 ? 1 : 0;
}
