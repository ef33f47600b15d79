// controller: runs a bundle's policy at a fixed rate on the real MuJoCo model of its task.
//
// Before the first period the bundle is checked whole, the policy must reproduce its test vectors
// (which warms it up), and memory is locked if permitted. From then on SIGTERM, SIGINT, SIGHUP and
// SIGQUIT end the loop before the next period's work. In the end the safe action is applied and the
// log is written, whole or not at all: a process that is killed leaves the former log, or none.
//
// Exit status: 0 if the time is over or a signal ended the loop, whatever faults the log tells of;
// 1 if the bundle or its policy is refused or the plant failed; 2 for arguments that are wrong, a
// backend that is not built, or a log that cannot be written.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <exception>
#include <iostream>
#include <locale>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "bundle/bundle.h"
#include "bundle/json_object.h"
#include "bundle/terminal_text.h"
#include "bundle/whole_file.h"
#include "controller/control_loop.h"
#include "controller/guards.h"
#include "controller/loop_clock.h"
#include "controller/realtime.h"
#include "controller/run_log.h"
#include "programs/allocations.h"
#include "programs/controller_args.h"
#include "programs/mujoco_plant.h"
#include "programs/trial_plant.h"
#include "rollout/tasks/defaults.h"
#include "runtimes/backends.h"
#include "runtimes/parity.h"

#ifndef TD7_MODEL_FOLDER
#define TD7_MODEL_FOLDER ""
#endif

namespace td7 {
namespace {

std::atomic<bool> stop{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal's handler sets it");

void StopOnSignals() {
  struct sigaction action{};
  action.sa_handler = [](int) { stop.store(true, std::memory_order_relaxed); };
  for (const int number : {SIGTERM, SIGINT, SIGQUIT}) sigaction(number, &action, nullptr);
  struct sigaction hangup{};
  sigaction(SIGHUP, nullptr, &hangup);
  // nohup has asked to go on without a terminal
  if (hangup.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);
}

const Backend& Chosen(const std::string& name) {
  for (const Backend& backend : Backends()) {
    if (backend.name != name) continue;
    if (backend.make == nullptr) throw UsageError(name + " is NOT BUILT into this program");
    return backend;
  }
  throw UsageError("--backend must be native, native-bf16, onnxruntime or libtorch, got " + name);
}

// The policy, once it has shown that it is the bundle's.
std::unique_ptr<ControllerPolicy> CheckedPolicy(const Backend& backend, const Bundle& bundle) {
  auto policy = backend.make(bundle);
  const double allowed = AllowedError(*policy, bundle);
  const double error = ActionError(policy.get(), bundle, ReadVectors(bundle));
  if (error <= allowed) return policy;
  std::ostringstream why;
  why << backend.name << ": actions differ from vectors.safetensors by " << error << ", more than "
      << allowed;
  throw std::runtime_error(why.str());
}

double RateOf(const ControllerArgs& args, const Bundle& bundle) {
  if (args.rate_hz) return *args.rate_hz;
  if (!bundle.dt()) throw UsageError("--rate is needed: the manifest tells no dt");
  const double rate = 1.0 / *bundle.dt();
  if (rate >= kLeastRate && rate <= kMostRate) return rate;
  std::ostringstream why;
  why << bundle.Path("manifest.json") << ": dt must be from 1e-5 to 1000 s to tell the rate, got "
      << *bundle.dt() << " (--rate tells another)";
  throw std::runtime_error(why.str());
}

std::string TaskOf(const ControllerArgs& args, const Bundle& bundle) {
  if (!args.env.empty()) return args.env;
  const std::string& env =
      JsonObject(bundle.manifest(), bundle.Path("manifest.json")).String("env");
  return ShortText(env);  // every task's id is short
}

std::string ModelOf(const ControllerArgs& args, const TaskDefaults& defaults) {
  if (!args.model.empty()) return args.model;
  const std::string folder = TD7_MODEL_FOLDER;
  if (!folder.empty()) return folder + "/" + defaults.model_file;
  throw UsageError("--model is needed: this program does not know where " + defaults.model_file +
                   " lies");
}

// The plant must take what the policy gives.
void ExpectFit(const Bundle& bundle, const std::string& task, const MujocoPlant& plant) {
  std::ostringstream why;
  if (plant.obs_size() != bundle.obs_size() || plant.action_size() != bundle.action_size()) {
    why << bundle.folder() << " is a policy " << bundle.obs_size() << " -> " << bundle.action_size()
        << ", " << task << " needs " << plant.obs_size() << " -> " << plant.action_size();
    throw std::runtime_error(why.str());
  }
  for (std::size_t i = 0; i < bundle.low().size(); ++i) {
    const auto [low, high] = plant.Bounds(static_cast<int>(i));
    if (low <= bundle.low()[i] && bundle.high()[i] <= high) continue;
    why << bundle.folder() << " is a policy with actions from " << bundle.low()[i] << " to "
        << bundle.high()[i] << " at entry " << i << ", " << task << " takes them from " << low
        << " to " << high;
    throw std::runtime_error(why.str());
  }
}

std::unique_ptr<MujocoPlant> MakePlant(const ControllerArgs& args, const Bundle& bundle) {
  const std::string task = TaskOf(args, bundle);
  std::unique_ptr<MujocoPlant> plant;
  try {
    plant = std::make_unique<MujocoPlant>(task, ModelOf(args, DefaultsOf(task)));
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
  ExpectFit(bundle, task, *plant);
  return plant;
}

GuardSettings SettingsOf(const ControllerArgs& args, const Bundle& bundle, double rate_hz) {
  GuardSettings settings;
  settings.low = bundle.low();
  settings.high = bundle.high();
  settings.obs_size = bundle.obs_size();
  const double stale_ms = args.stale_ms.value_or(2e3 / rate_hz);
  settings.stale_ns = static_cast<std::int64_t>(std::ceil(stale_ms * 1e6));
  settings.hold = args.hold;
  settings.max_step = args.max_step_per_s / rate_hz;
  settings.safe = args.safe;
  return settings;
}

Guards MakeGuards(const GuardSettings& settings) {
  try {
    return Guards(settings);
  } catch (const std::invalid_argument& error) {
    throw UsageError("--" + std::string(error.what()));
  }
}

LoopSettings LoopOf(const ControllerArgs& args, double rate_hz) {
  const std::int64_t periods = std::llround(args.seconds * rate_hz);
  return {std::llround(1e9 / rate_hz), std::max<std::int64_t>(periods, 1), &stop};
}

// The model moves by a whole dt in every period, whatever the rate.
std::string RateWarning(const Bundle& bundle, double rate_hz) {
  if (!bundle.dt() || std::abs(rate_hz * *bundle.dt() - 1) < 1e-3) return "";
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << "the policy was trained for " << 1 / *bundle.dt() << " Hz: at " << rate_hz
      << " Hz the model runs at " << rate_hz * *bundle.dt() << " times real time";
  return out.str();
}

RunLog BeginLog(const ControllerArgs& args, const Bundle& bundle) {
  RunLog log;
  log.bundle = args.bundle;
  log.manifest_sha256 = bundle.manifest_sha256();
  log.backend = args.bare ? "none" : args.backend;
  log.plant = args.bare ? "none" : TaskOf(args, bundle);
  log.rate_hz = RateOf(args, bundle);
  log.seconds = args.seconds;
  log.guard_settings = SettingsOf(args, bundle, log.rate_hz);
  log.arguments = args.given;
  log.warnings = bundle.warnings();
  const std::string warning = args.bare ? "" : RateWarning(bundle, log.rate_hz);
  if (!warning.empty()) log.warnings.push_back(warning);
  return log;
}

void AskSystem(const ControllerArgs& args, std::vector<std::string>* warnings) {
  const auto note = [&](const std::string& warning) {
    if (!warning.empty()) warnings->push_back(warning);
  };
  note(SharpenTimers());
  note(LockMemory());
  if (args.priority) note(TakePriority());
  if (args.cpu) note(StayOnCpu(*args.cpu));
}

RunLog Control(const ControllerArgs& args) {
  const Backend& backend = Chosen(args.backend);
  const Bundle bundle(args.bundle, args.sha256);
  const auto policy = CheckedPolicy(backend, bundle);
  RunLog log = BeginLog(args, bundle);
  Guards guards = MakeGuards(log.guard_settings);
  std::unique_ptr<MujocoPlant> plant;
  if (!args.bare) plant = MakePlant(args, bundle);
  TrialPlant trial(plant.get(), args.trial);
  SteadyClock clock;
  ControlLoop loop =
      args.bare ? ControlLoop(&clock) : ControlLoop(&clock, &trial, policy.get(), &guards);
  StopOnSignals();  // not before: while files are read, a signal has nothing to save
  AskSystem(args, &log.warnings);
  std::cout << "running " << log.plant << " by " << log.backend << " at " << log.rate_hz << " Hz"
            << std::endl;
  const std::int64_t before = Allocations();
  loop.Run(LoopOf(args, log.rate_hz), &log.loop);
  log.allocations = Allocations() - before;
  TakeFaults(guards, &log);
  if (plant == nullptr) return log;
  log.error = plant->error();
  log.episodes = plant->episodes();
  log.returns = plant->returns();
  return log;
}

void TryLog(const std::string& path) {
  try {
    ExpectWritable(path);
  } catch (const std::runtime_error& error) {
    throw UsageError(error.what());
  }
}

int Run(const ControllerArgs& args) {
  if (!args.log.empty()) TryLog(args.log);
  const RunLog log = Control(args);
  // first what cannot fail any more
  PrintSummary(log, std::cout);
  std::cout << std::flush;
  try {
    if (!args.log.empty()) WriteWhole(args.log, LogText(log));
  } catch (const std::runtime_error& error) {
    std::cerr << "controller: " << TerminalText(error.what(), true) << "\n";
    return 2;
  }
  return log.loop.end == LoopResult::End::kPlantFailed ? 1 : 0;
}

}  // namespace
}  // namespace td7

int main(int argc, char** argv) {
  if (argc == 2 && (std::string_view(argv[1]) == "--help" || std::string_view(argv[1]) == "-h")) {
    std::cout << td7::kControllerUsage;
    return 0;
  }
  try {
    return td7::Run(td7::ReadControllerArgs(argc, argv));
  } catch (const td7::UsageError& error) {
    std::cerr << "controller: " << td7::TerminalText(error.what(), true) << "\n"
              << td7::kControllerUsage;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "controller: " << td7::TerminalText(error.what(), true) << "\n";
    return 1;
  }
}
