#include "runtimes/onnxruntime_backend.h"

#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace td7 {
namespace {

Ort::SessionOptions Options() {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(1);
  options.SetInterOpNumThreads(1);
  options.SetExecutionMode(ORT_SEQUENTIAL);
  options.SetGraphOptimizationLevel(ORT_ENABLE_ALL);
  options.AddConfigEntry("session.intra_op.allow_spinning", "0");
  options.AddConfigEntry("session.inter_op.allow_spinning", "0");
  return options;
}

// Throws for a graph whose tensors lie in other files, wherever these are.
//
// Each such tensor has an entry with the key "location". A protobuf text of eight bytes follows its
// length, a varint that ends with the byte 8, or 0 if it is written longer than needed; in JSON and
// in longer texts another byte stands before the word. A harmless text that is "location" and
// nothing else is refused, too.
void RefuseExternalData(std::string_view graph) {
  constexpr std::string_view kKey = "location";
  for (auto at = graph.find(kKey); at != graph.npos; at = graph.find(kKey, at + 1)) {
    if (at > 0 && (graph[at - 1] == '\x08' || graph[at - 1] == '\x00')) {
      throw std::runtime_error("its weights lie in another file");
    }
  }
}

class OnnxruntimePolicy : public ControllerPolicy {
 public:
  OnnxruntimePolicy(const std::string& graph, int obs_size, int action_size)
      : env_(ORT_LOGGING_LEVEL_ERROR, "td7"),
        session_(env_, graph.data(), graph.size(), Options()),
        binding_(session_),
        obs_(static_cast<std::size_t>(obs_size)),
        actions_(static_cast<std::size_t>(action_size)) {
    input_ = Bind(&obs_);
    output_ = Bind(&actions_);
    binding_.BindInput("obs", input_);
    binding_.BindOutput("actions", output_);
    session_.Run(run_, binding_);  // throws here, not in the loop, if the graph is another one
  }

  int obs_size() const noexcept override { return static_cast<int>(obs_.size()); }
  int action_size() const noexcept override { return static_cast<int>(actions_.size()); }
  const char* name() const noexcept override { return "onnxruntime"; }

  bool Act(const float* obs, float* action) noexcept override {
    std::copy_n(obs, obs_.size(), obs_.begin());
    try {
      session_.Run(run_, binding_);
    } catch (...) {
      return false;
    }
    std::copy(actions_.begin(), actions_.end(), action);
    return true;
  }

 private:
  // [1, n], lying in `numbers`
  static Ort::Value Bind(std::vector<float>* numbers) {
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const std::array<std::int64_t, 2> shape{1, static_cast<std::int64_t>(numbers->size())};
    return Ort::Value::CreateTensor<float>(memory, numbers->data(), numbers->size(), shape.data(),
                                           shape.size());
  }

  Ort::Env env_;
  Ort::Session session_;
  Ort::IoBinding binding_;
  Ort::RunOptions run_;
  std::vector<float> obs_, actions_;
  Ort::Value input_{nullptr}, output_{nullptr};
};

}  // namespace

std::unique_ptr<ControllerPolicy> MakeOnnxruntimePolicy(const Bundle& bundle) {
  const bool fixed = bundle.Holds("policy_batch1.onnx");
  const std::string file = fixed ? "policy_batch1.onnx" : "policy.onnx";
  const std::string graph = bundle.Read(file);
  try {
    RefuseExternalData(graph);
    return std::make_unique<OnnxruntimePolicy>(graph, bundle.obs_size(), bundle.action_size());
  } catch (const std::exception& error) {  // Ort::Exception is one
    throw std::runtime_error(bundle.Path(file) + " is refused by onnxruntime: " + error.what());
  }
}

}  // namespace td7
