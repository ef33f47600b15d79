// What bundle_check found, as a table for people and as JSON for programs.
#ifndef TD7_PROGRAMS_CHECK_REPORT_H_
#define TD7_PROGRAMS_CHECK_REPORT_H_

#include <ostream>
#include <string>
#include <vector>

#include "programs/latency.h"

namespace td7 {

struct BackendResult {
  std::string name;
  std::string status;  // "passed", "failed", "not built" or "not in bundle"
  std::string reason;  // of a failure
  double error = 0.0;  // as parity.h measures it; of "passed" and "failed" by difference
  double allowed = 0.0;
  Latency latency;  // of "passed"
};

struct CheckReport {
  std::string bundle;
  std::string manifest_sha256;
  std::string instruction_set;
  int obs_size = 0;
  int action_size = 0;
  int vectors = 0;
  int calls = 0;
  std::vector<std::string> warnings;  // of the bundle
  std::vector<BackendResult> backends;
};

void PrintTable(const CheckReport& report, std::ostream& out);

// {"schema": "td7.bundle_check/1", ..., "backends": [{"name", "status", ...}]}
void PrintJson(const CheckReport& report, std::ostream& out);

}  // namespace td7

#endif  // TD7_PROGRAMS_CHECK_REPORT_H_
