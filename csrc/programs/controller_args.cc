#include "programs/controller_args.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <map>

#include "bundle/json.h"
#include "bundle/sha256.h"

namespace td7 {

const char* const kControllerUsage =
    "usage: controller BUNDLE [options]\n"
    "  --backend NAME   native (the default), native-bf16, onnxruntime or libtorch\n"
    "  --sha256 HEX     what the manifest's manifest_sha256 must be\n"
    "  --env NAME       the task to control (the default is the manifest's)\n"
    "  --model FILE     its MJCF file (the default is Gymnasium's)\n"
    "  --rate HZ        periods a second (the default is 1 / dt of the manifest)\n"
    "  --seconds S      how long (the default is 10)\n"
    "  --bare           only wait for the periods, without policy and task: what the machine does\n"
    "  --log FILE       write what happened as JSON\n"
    "  --max-step R     the most that an action's entry may change by in a second, from the safe\n"
    "                   action at first\n"
    "  --stale-ms MS    the oldest observation to act on, 0: any (the default is two periods)\n"
    "  --hold N         periods to hold the last action without a sound observation (0)\n"
    "  --safe A,B,...   the action to take then, and at the end (zeros, clipped to the bounds)\n"
    "  --priority       real-time priority, if permitted\n"
    "  --cpu N          stay on that processor\n"
    "  --fault KIND@PERIOD[+COUNT]  nan or stale observations from there on, for trials\n"
    "exit status: 0 the time is over, or SIGTERM, SIGINT, SIGHUP or SIGQUIT came; 1 the bundle or\n"
    "its policy is refused, or the plant failed; 2 the arguments are wrong or the log cannot be\n"
    "written\n";

namespace {

[[noreturn]] void Refuse(const std::string& option, const std::string& wanted,
                         const std::string& got) {
  throw UsageError(option + " must be " + wanted + ", got " + got);
}

// From `least` to `most`, both included.
double ReadNumber(const std::string& option, const std::string& text, double least, double most,
                  const std::string& wanted) {
  try {
    const JsonValue value = ReadJson(text, option);
    if (value.kind == JsonValue::Kind::kNumber && least <= value.number && value.number <= most) {
      return value.number;
    }
  } catch (const std::runtime_error&) {
    // said below
  }
  Refuse(option, wanted, text);
}

std::int64_t ReadCount(const std::string& option, const std::string& text, std::int64_t least,
                       std::int64_t most) {
  std::int64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, count);
  if (error == std::errc() && stop == end && least <= count && count <= most) return count;
  Refuse(option, "a whole number from " + std::to_string(least) + " to " + std::to_string(most),
         text);
}

std::vector<float> ReadAction(const std::string& option, const std::string& text) {
  std::vector<float> action;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const double number = ReadNumber(option, text.substr(at, comma - at), -3.4e38, 3.4e38,
                                     "numbers with commas between them");
    action.push_back(static_cast<float>(number));
    at = comma + 1;
  }
  return action;
}

Trial ReadTrial(const std::string& option, const std::string& text) {
  constexpr std::int64_t kMost = std::int64_t{1} << 53;
  const std::size_t at = text.find('@');
  const std::string kind = text.substr(0, at);
  if (at == text.npos || (kind != "nan" && kind != "stale")) {
    Refuse(option, "nan@PERIOD or stale@PERIOD", text);
  }
  const std::size_t plus = std::min(text.find('+', at), text.size());
  Trial trial;
  trial.kind = kind == "nan" ? Trial::Kind::kNan : Trial::Kind::kStale;
  trial.first = ReadCount(option, text.substr(at + 1, plus - at - 1), 0, kMost);
  if (plus < text.size()) trial.count = ReadCount(option, text.substr(plus + 1), 1, kMost);
  return trial;
}

using Reader = void (*)(const std::string& option, const std::string& text, ControllerArgs* args);

// Options that have a value.
const std::map<std::string, Reader>& Readers() {
  using S = const std::string&;
  using A = ControllerArgs*;
  static const std::map<std::string, Reader> readers = {
      {"--backend", [](S, S text, A args) { args->backend = text; }},
      {"--sha256",
       [](S option, S text, A args) {
         args->sha256 = ReadSum(text);
         if (args->sha256.empty()) Refuse(option, "64 digits of 0-9 and a-f", text);
       }},
      {"--env", [](S, S text, A args) { args->env = text; }},
      {"--model", [](S, S text, A args) { args->model = text; }},
      {"--log", [](S, S text, A args) { args->log = text; }},
      {"--rate",
       [](S option, S text, A args) {
         args->rate_hz = ReadNumber(option, text, kLeastRate, kMostRate, "from 0.001 to 100000 Hz");
       }},
      {"--seconds",
       [](S option, S text, A args) {
         args->seconds = ReadNumber(option, text, 1e-3, 1e8, "from 0.001 to 1e8");
       }},
      {"--max-step",
       [](S option, S text, A args) {
         args->max_step_per_s = ReadNumber(option, text, 1e-30, 1e30, "from 1e-30 to 1e30");
       }},
      {"--stale-ms",
       [](S option, S text, A args) {
         args->stale_ms = ReadNumber(option, text, 0, 1e9, "from 0 to 1e9");
       }},
      {"--hold",
       [](S option, S text, A args) { args->hold = ReadCount(option, text, 0, 1000000000); }},
      {"--safe", [](S option, S text, A args) { args->safe = ReadAction(option, text); }},
      {"--fault", [](S option, S text, A args) { args->trial = ReadTrial(option, text); }},
      {"--cpu", [](S option, S text,
                   A args) { args->cpu = static_cast<int>(ReadCount(option, text, 0, 1023)); }},
  };
  return readers;
}

void CheckTogether(const ControllerArgs& args) {
  if (args.bundle.empty()) throw UsageError("BUNDLE is missing");
  const bool guarded = args.trial.kind != Trial::Kind::kNone || !args.safe.empty() ||
                       args.max_step_per_s > 0.0 || args.hold > 0 || args.stale_ms ||
                       !args.env.empty() || !args.model.empty();
  if (args.bare && guarded) {
    throw UsageError("--bare controls nothing: it takes no option of tasks, guards and faults");
  }
  if (args.trial.kind == Trial::Kind::kStale && args.stale_ms == 0.0) {
    throw UsageError("--fault stale needs a limit: --stale-ms above 0");
  }
}

}  // namespace

ControllerArgs ReadControllerArgs(int argc, char** argv) {
  ControllerArgs args;
  args.given.assign(argv + 1, argv + argc);
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option.empty() || option[0] != '-') {
      if (!args.bundle.empty()) throw UsageError("one bundle at a time, got also " + option);
      args.bundle = option;
    } else if (option == "--bare") {
      args.bare = true;
    } else if (option == "--priority") {
      args.priority = true;
    } else {
      const auto reader = Readers().find(option);
      if (reader == Readers().end()) throw UsageError(option + " is unknown");
      if (i + 1 == argc) throw UsageError(option + " lacks its value");
      const std::string text = argv[++i];
      if (text.empty()) Refuse(option, "given", "nothing");
      reader->second(option, text, &args);
    }
  }
  CheckTogether(args);
  return args;
}

}  // namespace td7
