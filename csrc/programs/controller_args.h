// The command line of the program `controller`.
#ifndef TD7_PROGRAMS_CONTROLLER_ARGS_H_
#define TD7_PROGRAMS_CONTROLLER_ARGS_H_

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "programs/trial_plant.h"

namespace td7 {

extern const char* const kControllerUsage;

// Periods a second, of --rate or of a manifest's dt.
inline constexpr double kLeastRate = 1e-3;
inline constexpr double kMostRate = 1e5;

struct ControllerArgs {
  std::vector<std::string> given;  // all of them, in order
  std::string bundle;
  std::string sha256;
  std::string backend = "native";
  std::string env;    // "": the manifest's
  std::string model;  // "": the task's own, where the program knows Gymnasium's folder
  std::string log;    // "": none
  std::optional<double> rate_hz;
  double seconds = 10.0;
  bool bare = false;
  double max_step_per_s = 0.0;     // 0: no limit
  std::optional<double> stale_ms;  // 0: no limit; none: two periods
  std::int64_t hold = 0;
  std::vector<float> safe;  // empty: zeros, clipped to the bounds
  Trial trial;
  bool priority = false;
  std::optional<int> cpu;
};

// Arguments that are wrong.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

ControllerArgs ReadControllerArgs(int argc, char** argv);

}  // namespace td7

#endif  // TD7_PROGRAMS_CONTROLLER_ARGS_H_
