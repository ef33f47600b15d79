#include "programs/check_report.h"

#include <iomanip>
#include <sstream>

#include "bundle/json_text.h"
#include "bundle/terminal_text.h"

namespace td7 {
namespace {

void PrintBackend(const BackendResult& backend, std::ostream& out) {
  out << "{\"name\": " << JsonString(backend.name)
      << ", \"status\": " << JsonString(backend.status);
  if (!backend.reason.empty()) out << ", \"reason\": " << JsonString(backend.reason);
  if (backend.allowed > 0.0) {
    out << ", \"error\": " << JsonNumber(backend.error)
        << ", \"allowed\": " << JsonNumber(backend.allowed);
  }
  if (backend.status == "passed") {
    const Latency& latency = backend.latency;
    out << ", \"p50_us\": " << JsonNumber(latency.p50)
        << ", \"p99_us\": " << JsonNumber(latency.p99)
        << ", \"p999_us\": " << JsonNumber(latency.p999)
        << ", \"max_us\": " << JsonNumber(latency.max)
        << ", \"allocations_per_call\": " << JsonNumber(latency.allocations_per_call);
  }
  out << "}";
}

}  // namespace

void PrintTable(const CheckReport& report, std::ostream& printed) {
  std::ostringstream out = PlainStream();
  out << report.bundle << "\n  manifest " << report.manifest_sha256 << "\n  " << report.obs_size
      << " -> " << report.action_size << ", " << report.vectors << " test vectors, " << report.calls
      << " timed calls, native by " << report.instruction_set << "\n";
  for (const std::string& warning : report.warnings) out << "  warning: " << warning << "\n";
  out << "\n  backend       error    allowed   p50 us   p99 us p99.9 us   max us  allocs/call\n";
  for (const BackendResult& backend : report.backends) {
    out << "  " << std::left << std::setw(12) << backend.name << std::right << " ";
    if (backend.status == "passed") {
      const Latency& l = backend.latency;
      out << std::scientific << std::setprecision(1) << std::setw(8) << backend.error << " "
          << std::setw(9) << backend.allowed << std::fixed << std::setprecision(2);
      for (const double time : {l.p50, l.p99, l.p999}) out << " " << std::setw(8) << time;
      out << " " << std::setprecision(1) << std::setw(8) << l.max << " " << std::setprecision(2)
          << std::setw(12) << l.allocations_per_call << "\n";
    } else if (backend.status == "failed") {
      out << "FAILED: " << TerminalText(backend.reason, true) << "\n";
    } else {
      out << (backend.status == "not built" ? "NOT BUILT" : "NOT IN BUNDLE") << "\n";
    }
  }
  printed << out.str();
}

void PrintJson(const CheckReport& report, std::ostream& printed) {
  std::ostringstream out = PlainStream();
  out << "{\"schema\": \"td7.bundle_check/1\", \"bundle\": " << JsonString(report.bundle)
      << ", \"manifest_sha256\": " << JsonString(report.manifest_sha256)
      << ", \"instruction_set\": " << JsonString(report.instruction_set)
      << ", \"obs_size\": " << report.obs_size << ", \"action_size\": " << report.action_size
      << ", \"vectors\": " << report.vectors << ", \"calls\": " << report.calls
      << ", \"warnings\": [";
  for (std::size_t i = 0; i < report.warnings.size(); ++i) {
    out << (i > 0 ? ", " : "") << JsonString(report.warnings[i]);
  }
  out << "], \"backends\": [";
  for (std::size_t i = 0; i < report.backends.size(); ++i) {
    if (i > 0) out << ", ";
    PrintBackend(report.backends[i], out);
  }
  out << "]}\n";
  printed << out.str();
}

}  // namespace td7
