#include "controller/run_log.h"

#include <algorithm>
#include <cstddef>
#include <iomanip>
#include <sstream>

#include "bundle/json_text.h"

namespace td7 {
namespace {

constexpr const char* kEnds[] = {"time", "stopped", "plant failed"};

double Microseconds(std::int64_t ns) { return static_cast<double>(ns) / 1e3; }

template <typename T>
std::string Array(const std::vector<T>& items, std::string (*text)(const T&)) {
  std::string out = "[";
  for (std::size_t i = 0; i < items.size(); ++i) out += (i == 0 ? "" : ", ") + text(items[i]);
  return out + "]";
}

std::string Floats(const std::vector<float>& numbers) {
  return Array<float>(numbers, [](const float& x) { return JsonNumber(x); });
}

// buckets: [[the largest time in it, how many], ...], those that are not empty
std::string Times(const TimeHistogram& times) {
  std::ostringstream out = PlainStream();
  out << "{\"p50\": " << JsonNumber(Microseconds(times.Percentile(0.5)))
      << ", \"p99\": " << JsonNumber(Microseconds(times.Percentile(0.99)))
      << ", \"p999\": " << JsonNumber(Microseconds(times.Percentile(0.999)))
      << ", \"max\": " << JsonNumber(Microseconds(times.max())) << ", \"buckets\": [";
  const char* separator = "";
  for (std::size_t i = 0; i < TimeHistogram::kBuckets; ++i) {
    if (times.count(i) == 0) continue;
    out << separator << "[" << JsonNumber(Microseconds(TimeHistogram::UpperEdge(i))) << ", "
        << times.count(i) << "]";
    separator = ", ";
  }
  out << "]}";
  return out.str();
}

std::string FaultText(const Fault& fault) {
  std::ostringstream out = PlainStream();
  out << "{\"period\": " << fault.period << ", \"kind\": " << JsonString(FaultName(fault.kind))
      << ", \"entry\": ";
  if (fault.entry < 0) {
    out << "null}";
  } else {
    out << fault.entry << "}";
  }
  return out.str();
}

std::int64_t FaultCount(const RunLog& log) {
  std::int64_t total = 0;
  for (const std::int64_t count : log.faults_of) total += count;
  return total;
}

std::string FaultCounts(const RunLog& log) {
  std::ostringstream out = PlainStream();
  for (std::size_t i = 0; i < kFaultKinds; ++i) {
    out << (i == 0 ? "{" : ", ") << JsonString(FaultName(static_cast<FaultKind>(i))) << ": "
        << log.faults_of[i];
  }
  out << "}";
  return out.str();
}

std::string SettingsText(const RunLog& log) {
  const GuardSettings& guards = log.guard_settings;
  std::ostringstream out = PlainStream();
  out << "{\"rate_hz\": " << JsonNumber(log.rate_hz) << ", \"seconds\": " << JsonNumber(log.seconds)
      << ", \"stale_ms\": " << JsonNumber(static_cast<double>(guards.stale_ns) / 1e6)
      << ", \"hold\": " << guards.hold
      << ", \"max_step_per_s\": " << JsonNumber(guards.max_step * log.rate_hz)
      << ", \"safe\": " << Floats(log.safe) << "}";
  return out.str();
}

double MissedShare(const LoopResult& loop) {
  return static_cast<double>(loop.missed()) /
         static_cast<double>(std::max<std::int64_t>(loop.periods(), 1));
}

}  // namespace

void TakeFaults(const Guards& guards, RunLog* log) {
  log->safe = guards.safe();
  log->faults = guards.faults();
  for (std::size_t i = 0; i < kFaultKinds; ++i) {
    log->faults_of[i] = guards.faults_of(static_cast<FaultKind>(i));
  }
  log->held = guards.held();
  log->saved = guards.saved();
  log->clipped = guards.clipped();
  log->slowed = guards.slowed();
}

std::string LogText(const RunLog& log) {
  const LoopResult& loop = log.loop;
  const auto quoted = [](const std::string& text) { return JsonString(text); };
  const auto exact = [](const double& number) { return JsonNumber(number, 17); };
  std::ostringstream out = PlainStream();
  out << "{\"schema\": \"td7.controller/1\",\n \"bundle\": " << JsonString(log.bundle)
      << ",\n \"manifest_sha256\": " << JsonString(log.manifest_sha256)
      << ",\n \"backend\": " << JsonString(log.backend)
      << ",\n \"plant\": " << JsonString(log.plant) << ",\n \"settings\": " << SettingsText(log)
      << ",\n \"arguments\": " << Array<std::string>(log.arguments, quoted)
      << ",\n \"warnings\": " << Array<std::string>(log.warnings, quoted)
      << ",\n \"ended\": " << JsonString(kEnds[static_cast<int>(loop.end)])
      << ",\n \"error\": " << JsonString(log.error)
      << ",\n \"periods\": {\"all\": " << loop.periods() << ", \"done\": " << loop.done
      << ", \"late\": " << loop.late << ", \"skipped\": " << loop.skipped
      << ", \"missed\": " << loop.missed()
      << ", \"missed_share\": " << JsonNumber(MissedShare(loop))
      << "},\n \"lateness_us\": " << Times(loop.lateness)
      << ",\n \"policy_us\": " << Times(loop.policy) << ",\n \"work_us\": " << Times(loop.work)
      << ",\n \"allocations\": " << log.allocations << ",\n \"actions\": {\"held\": " << log.held
      << ", \"safe\": " << log.saved << ", \"clipped\": " << log.clipped
      << ", \"slowed\": " << log.slowed << "},\n \"fault_counts\": " << FaultCounts(log)
      << ",\n \"faults\": " << Array<Fault>(log.faults, FaultText)
      << ",\n \"episodes\": " << log.episodes
      << ",\n \"returns\": " << Array<double>(log.returns, exact) << "}\n";
  return out.str();
}

void PrintSummary(const RunLog& log, std::ostream& out) {
  const LoopResult& loop = log.loop;
  std::ostringstream text = PlainStream();
  text << log.bundle << ": " << log.plant << " by " << log.backend << " at " << log.rate_hz
       << " Hz\n  " << loop.periods() << " periods, " << loop.missed() << " missed (" << std::fixed
       << std::setprecision(4) << 100 * MissedShare(loop) << " %): " << loop.late << " late, "
       << loop.skipped << " skipped\n"
       << std::setprecision(1);
  const auto line = [&](const char* name, const TimeHistogram& times) {
    if (times.total() == 0) return;
    text << "  " << name << " us: p50 " << std::setw(8) << Microseconds(times.Percentile(0.5))
         << "  p99 " << std::setw(8) << Microseconds(times.Percentile(0.99)) << "  max "
         << std::setw(10) << Microseconds(times.max()) << "\n";
  };
  line("lateness", loop.lateness);
  line("policy  ", loop.policy);
  line("work    ", loop.work);
  text << "  " << FaultCount(log) << " faults, the last action held " << log.held
       << " times, the safe one taken " << log.saved << " times, " << log.episodes
       << " episodes ended\n";
  for (const std::string& warning : log.warnings) text << "  warning: " << warning << "\n";
  if (!log.error.empty()) text << "  the plant failed: " << log.error << "\n";
  out << text.str();
}

}  // namespace td7
