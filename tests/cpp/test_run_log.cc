// Times in buckets, and what a run's log tells: exact, and JSON whatever is in it. Exits with 0 if
// all claims hold.
#include <algorithm>
#include <clocale>
#include <cmath>
#include <cstdint>
#include <limits>
#include <locale>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "bundle/json.h"
#include "check.h"
#include "controller/guards.h"
#include "controller/run_log.h"
#include "controller/time_histogram.h"

namespace td7 {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

void BucketsOfTimesHaveTheirEdges() {
  for (std::size_t bucket = 1; bucket < TimeHistogram::kBuckets; ++bucket) {
    const std::int64_t edge = TimeHistogram::UpperEdge(bucket);
    const std::int64_t below = TimeHistogram::UpperEdge(bucket - 1);
    CHECK(below < edge && (edge - below) * 32 <= std::max<std::int64_t>(below + 1, 32));
    TimeHistogram times;
    times.Add(edge);
    times.Add(below + 1);
    CHECK(times.count(bucket) == 2);
  }
  CHECK(TimeHistogram::UpperEdge(TimeHistogram::kBuckets - 1) ==
        std::numeric_limits<std::int64_t>::max());
}

void PercentilesAreThoseOfTheSortedTimes() {
  TimeHistogram times;
  CHECK(times.Percentile(0.5) == 0);
  std::vector<std::int64_t> all;
  std::mt19937 random(11);
  for (int i = 0; i < 5000; ++i) {
    all.push_back(static_cast<std::int64_t>(random() >> (random() % 32)));
    times.Add(all.back());
  }
  times.Add(-5);
  all.push_back(0);
  std::sort(all.begin(), all.end());
  for (const double share : {1e-9, 0.01, 0.5, 0.99, 0.999, 1.0}) {
    const auto rank = std::max(std::ceil(share * static_cast<double>(all.size())), 1.0);
    const std::int64_t exact = all[static_cast<std::size_t>(rank) - 1];
    const std::int64_t found = times.Percentile(share);
    CHECK(exact <= found && found - exact <= exact / 32);
  }
  CHECK(times.Percentile(1.0) == all.back() && times.max() == all.back());
}

void TheLogIsJsonWhateverIsInIt() {
  GuardSettings settings;
  settings.low = {-1.0f};
  settings.high = {1.0f};
  Guards guards(settings);
  float action[] = {kNan};
  guards.PassAction(1, true, action);
  RunLog log;
  log.bundle = "a \"quoted\"\n\\name";
  log.loop.done = 3;
  log.returns = {0.1, kNan};
  TakeFaults(guards, &log);
  const JsonValue value = ReadJson(LogText(log), "log");
  CHECK(value.Find("bundle")->string == log.bundle);
  CHECK(value.Find("periods")->Find("done")->number == 3.0);
  CHECK(value.Find("faults")->items.size() == 1);
  CHECK(value.Find("faults")->items[0].Find("kind")->string == "action not finite");
  CHECK(value.Find("returns")->items[0].number == 0.1);
  CHECK(value.Find("returns")->items[1].kind == JsonValue::Kind::kNull);
}

// Groups digits by thousands and writes a comma in a number.
class OtherNumbers : public std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

void TheLogAndTheSummaryAreTheSameUnderEveryLocale() {
  RunLog log;
  log.loop.done = 1234567;
  log.loop.lateness.Add(1234567);
  log.rate_hz = 1234.5;
  log.returns = {0.5};
  const auto texts = [&] {
    std::ostringstream summary;
    PrintSummary(log, summary);
    return LogText(log) + summary.str();
  };
  const std::string text = texts();
  CHECK(text.find("1234567 periods") != text.npos && text.find("1234.5 Hz") != text.npos);
  const std::locale before =
      std::locale::global(std::locale(std::locale::classic(), new OtherNumbers));
  CHECK(texts() == text);
  std::locale::global(before);
  for (const char* const name : {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"}) {  // if there are any
    std::setlocale(LC_ALL, name);
    CHECK(texts() == text);
  }
  std::setlocale(LC_ALL, "C");
}

}  // namespace
}  // namespace td7

int main() {
  td7::BucketsOfTimesHaveTheirEdges();
  td7::PercentilesAreThoseOfTheSortedTimes();
  td7::TheLogIsJsonWhateverIsInIt();
  td7::TheLogAndTheSummaryAreTheSameUnderEveryLocale();
  return failures > 0 ? 1 : 0;
}
