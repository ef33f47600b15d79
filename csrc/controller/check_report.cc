#include "controller/check_report.h"

#include <cmath>
#include <cstdio>

namespace td7 {
namespace {

std::string Printed(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += std::string("\\") + c;
    } else if (byte < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(byte));
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// JSON has no infinity
std::string Number(double value) { return std::isfinite(value) ? Printed("%.9g", value) : "null"; }

void PrintBackend(const BackendResult& backend, std::ostream& out) {
  out << "{\"name\": " << Quoted(backend.name) << ", \"status\": " << Quoted(backend.status);
  if (!backend.reason.empty()) out << ", \"reason\": " << Quoted(backend.reason);
  if (backend.allowed > 0.0) {
    out << ", \"error\": " << Number(backend.error) << ", \"allowed\": " << Number(backend.allowed);
  }
  if (backend.status == "passed") {
    const Latency& latency = backend.latency;
    out << ", \"p50_us\": " << Number(latency.p50) << ", \"p99_us\": " << Number(latency.p99)
        << ", \"p999_us\": " << Number(latency.p999) << ", \"max_us\": " << Number(latency.max)
        << ", \"allocations_per_call\": " << Number(latency.allocations_per_call);
  }
  out << "}";
}

}  // namespace

void PrintTable(const CheckReport& report, std::ostream& out) {
  out << report.bundle << "\n  manifest " << report.manifest_sha256 << "\n  " << report.obs_size
      << " -> " << report.action_size << ", " << report.vectors << " test vectors, " << report.calls
      << " timed calls, native by " << report.instruction_set << "\n\n"
      << "  backend       error    allowed   p50 us   p99 us p99.9 us   max us  allocs/call\n";
  for (const BackendResult& backend : report.backends) {
    char line[160];
    if (backend.status == "passed") {
      const Latency& l = backend.latency;
      std::snprintf(line, sizeof line, "  %-12s %8.1e %9.1e %8.2f %8.2f %8.2f %8.1f %12.2f\n",
                    backend.name.c_str(), backend.error, backend.allowed, l.p50, l.p99, l.p999,
                    l.max, l.allocations_per_call);
      out << line;
    } else if (backend.status == "failed") {
      std::snprintf(line, sizeof line, "  %-12s FAILED: ", backend.name.c_str());
      out << line << backend.reason << "\n";
    } else {
      std::snprintf(line, sizeof line, "  %-12s %s\n", backend.name.c_str(),
                    backend.status == "not built" ? "NOT BUILT" : "NOT IN BUNDLE");
      out << line;
    }
  }
}

void PrintJson(const CheckReport& report, std::ostream& out) {
  out << "{\"schema\": \"td7.bundle_check/1\", \"bundle\": " << Quoted(report.bundle)
      << ", \"manifest_sha256\": " << Quoted(report.manifest_sha256)
      << ", \"instruction_set\": " << Quoted(report.instruction_set)
      << ", \"obs_size\": " << report.obs_size << ", \"action_size\": " << report.action_size
      << ", \"vectors\": " << report.vectors << ", \"calls\": " << report.calls
      << ", \"backends\": [";
  for (std::size_t i = 0; i < report.backends.size(); ++i) {
    if (i > 0) out << ", ";
    PrintBackend(report.backends[i], out);
  }
  out << "]}\n";
}

}  // namespace td7
