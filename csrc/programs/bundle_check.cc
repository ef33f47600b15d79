// bundle_check: whether a bundle is whole and its policy computes here what it computed when it was
// written, and how fast, by each backend that is built in.
//
// A file that no runtime reads and that differs is a warning.
//
// Exit status: 0 if a backend passes and none fails; 1 if the bundle is refused or a backend fails;
// 2 for arguments that are wrong, a backend that was asked for and is not built, or a report that
// cannot be written.
#include <algorithm>
#include <charconv>
#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "bundle/bundle.h"
#include "bundle/sha256.h"
#include "bundle/terminal_text.h"
#include "programs/check_report.h"
#include "programs/latency.h"
#include "runtimes/backends.h"
#include "runtimes/parity.h"
#include "simd/instruction_set.h"

namespace td7 {
namespace {

constexpr const char* kUsage =
    "usage: bundle_check BUNDLE [options]\n"
    "  --backend NAME          native, native-bf16, onnxruntime, libtorch or all (the default)\n"
    "  --calls N               calls to time with each backend (the default is 100000)\n"
    "  --instruction-set NAME  plain, avx2 or avx512 for native (the default is the fastest)\n"
    "  --sha256 HEX            what the manifest's manifest_sha256 must be\n"
    "  --json FILE             write the report as JSON, too\n";

struct Arguments {
  std::string bundle;
  std::string backend = "all";
  int calls = 100000;
  InstructionSet instruction_set = ActiveInstructionSet();
  std::string sha256;
  std::string json;
};

// Arguments that are wrong.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

int ReadCalls(const std::string& text) {
  int calls = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, calls);
  if (error == std::errc() && stop == end && calls >= 1 && calls <= 100000000) return calls;
  throw UsageError("--calls must be from 1 to 100000000, got " + text);
}

InstructionSet ReadInstructionSet(const std::string& name) {
  for (const InstructionSet set : kInstructionSets) {
    if (name == InstructionSetName(set) && MachineHas(set)) return set;
  }
  throw UsageError("--instruction-set must be one that this machine has, got " + name);
}

Arguments ReadArguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option.empty() || option[0] != '-') {
      if (!arguments.bundle.empty()) throw UsageError("one bundle at a time, got also " + option);
      arguments.bundle = option;
      continue;
    }
    if (i + 1 == argc) throw UsageError(option + " is unknown or lacks its value");
    const std::string value = argv[++i];
    if (option == "--backend") {
      arguments.backend = value;
    } else if (option == "--calls") {
      arguments.calls = ReadCalls(value);
    } else if (option == "--instruction-set") {
      arguments.instruction_set = ReadInstructionSet(value);
    } else if (option == "--sha256") {
      arguments.sha256 = ReadSum(value);
      if (arguments.sha256.empty()) {
        throw UsageError("--sha256 must be 64 digits of 0-9 and a-f, got " + value);
      }
    } else if (option == "--json") {
      arguments.json = value;
    } else {
      throw UsageError(option + " is unknown");
    }
  }
  if (arguments.bundle.empty()) throw UsageError("BUNDLE is missing");
  return arguments;
}

// The backends asked for; throws if one is not known or, asked for by name, not built.
std::vector<Backend> Chosen(const std::string& name) {
  if (name == "all") return Backends();
  for (const Backend& backend : Backends()) {
    if (backend.name != name) continue;
    if (backend.make == nullptr) throw UsageError(name + " is NOT BUILT into this program");
    return {backend};
  }
  throw UsageError("--backend must be native, native-bf16, onnxruntime, libtorch or all, got " +
                   name);
}

BackendResult Check(const Backend& backend, const Bundle& bundle, const BundleVectors& vectors,
                    int calls) {
  BackendResult result;
  result.name = backend.name;
  try {
    const auto policy = backend.make(bundle);
    result.allowed = AllowedError(*policy, bundle);
    result.error = ActionError(policy.get(), bundle, vectors);
    if (!(result.error <= result.allowed)) {
      std::ostringstream why;
      why << "actions differ from vectors.safetensors by " << result.error << ", more than "
          << result.allowed;
      throw std::runtime_error(why.str());
    }
    result.latency = MeasureLatency(policy.get(), vectors, calls);
    result.status = "passed";
  } catch (const std::exception& error) {
    result.status = "failed";
    result.reason = error.what();
  }
  return result;
}

CheckReport CheckAll(const Arguments& arguments, const std::vector<Backend>& backends) {
  const Bundle bundle(arguments.bundle, arguments.sha256);
  const BundleVectors vectors = ReadVectors(bundle);
  CheckReport report;
  report.bundle = arguments.bundle;
  report.manifest_sha256 = bundle.manifest_sha256();
  report.instruction_set = InstructionSetName(ActiveInstructionSet());
  report.obs_size = bundle.obs_size();
  report.action_size = bundle.action_size();
  report.vectors = vectors.count;
  report.calls = arguments.calls;
  report.warnings = bundle.warnings();
  for (const Backend& backend : backends) {
    const bool asked_for = arguments.backend != "all";
    if (backend.make == nullptr || (!asked_for && !backend.in_bundle(bundle))) {
      BackendResult missing;
      missing.name = backend.name;
      missing.status = backend.make == nullptr ? "not built" : "not in bundle";
      report.backends.push_back(missing);
    } else {
      report.backends.push_back(Check(backend, bundle, vectors, arguments.calls));
    }
  }
  return report;
}

int Run(const Arguments& arguments) {
  SetInstructionSet(arguments.instruction_set);
  const CheckReport report = CheckAll(arguments, Chosen(arguments.backend));
  PrintTable(report, std::cout);
  if (!arguments.json.empty()) {
    std::ofstream json(arguments.json);
    PrintJson(report, json);
    json.close();
    if (!json) throw UsageError(arguments.json + " cannot be written");
  }
  const auto any = [&](const char* status) {
    return std::any_of(report.backends.begin(), report.backends.end(),
                       [&](const BackendResult& result) { return result.status == status; });
  };
  return any("passed") && !any("failed") ? 0 : 1;
}

}  // namespace
}  // namespace td7

int main(int argc, char** argv) {
  if (argc == 2 && (std::string_view(argv[1]) == "--help" || std::string_view(argv[1]) == "-h")) {
    std::cout << td7::kUsage;
    return 0;
  }
  try {
    return td7::Run(td7::ReadArguments(argc, argv));
  } catch (const td7::UsageError& error) {
    std::cerr << "bundle_check: " << td7::TerminalText(error.what(), true) << "\n" << td7::kUsage;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "bundle_check: " << td7::TerminalText(error.what(), true) << "\n";
    return 1;
  }
}
