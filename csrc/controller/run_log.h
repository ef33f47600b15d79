// What a run of the controller was and how it went, as JSON and for people.
//
// Errors: none. Ownership: a RunLog refers to nothing.
#ifndef TD7_CONTROLLER_RUN_LOG_H_
#define TD7_CONTROLLER_RUN_LOG_H_

#include <array>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "controller/control_loop.h"
#include "controller/guards.h"

namespace td7 {

struct RunLog {
  std::string bundle;
  std::string manifest_sha256;
  std::string backend;
  std::string plant;                   // the task's id, or "none"
  std::vector<std::string> arguments;  // as given, faults for trials among them
  double rate_hz = 0.0;
  double seconds = 0.0;  // asked for
  GuardSettings guard_settings;
  std::vector<float> safe;
  std::vector<std::string> warnings;
  LoopResult loop;
  std::string error;  // of a plant that failed
  std::int64_t allocations = 0;
  std::vector<Fault> faults;
  std::array<std::int64_t, kFaultKinds> faults_of{};
  std::int64_t held = 0, saved = 0, clipped = 0, slowed = 0;
  std::int64_t episodes = 0;
  std::vector<double> returns;
};

// Copies what the guards have seen.
void TakeFaults(const Guards& guards, RunLog* log);

// {"schema": "td7.controller/1", ...}
std::string LogText(const RunLog& log);

// A few lines.
void PrintSummary(const RunLog& log, std::ostream& out);

}  // namespace td7

#endif  // TD7_CONTROLLER_RUN_LOG_H_
