#include "runtimes/libtorch_backend.h"

#include <ATen/Parallel.h>
#include <torch/script.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace td7 {
namespace {

constexpr int kWarmUps = 20;  // the executor specialises the graph in the first calls

torch::jit::Module Load(const std::string& content) {
  std::istringstream stream(content);
  torch::jit::Module module = torch::jit::load(stream, at::kCPU);
  // what is frozen already has no mode any more
  if (!module.hasattr("training")) return module;
  module.eval();
  return torch::jit::freeze(module);
}

class LibtorchPolicy : public ControllerPolicy {
 public:
  LibtorchPolicy(const std::string& content, int obs_size, int action_size)
      : module_(Load(content)),
        forward_(module_.get_method("forward")),
        obs_(static_cast<std::size_t>(obs_size)),
        action_size_(action_size) {
    const c10::InferenceMode inference;
    input_ = at::from_blob(obs_.data(), {1, obs_size}, at::kFloat);
    for (int i = 0; i < kWarmUps; ++i) Run();  // throws here, not in the loop
  }

  int obs_size() const noexcept override { return static_cast<int>(obs_.size()); }
  int action_size() const noexcept override { return action_size_; }
  const char* name() const noexcept override { return "libtorch"; }

  bool Act(const float* obs, float* action) noexcept override {
    try {
      const c10::InferenceMode inference;
      std::copy_n(obs, obs_.size(), obs_.begin());
      const at::Tensor actions = Run();
      std::copy_n(actions.const_data_ptr<float>(), action_size_, action);
      return true;
    } catch (...) {
      return false;
    }
  }

 private:
  // [1, A], contiguous
  at::Tensor Run() {
    std::vector<c10::IValue> inputs;
    inputs.emplace_back(input_);
    const at::Tensor actions = forward_(std::move(inputs)).toTensor().contiguous();
    if (actions.scalar_type() == at::kFloat && actions.numel() == action_size_) return actions;
    throw std::runtime_error("its output is not float32 [1, " + std::to_string(action_size_) + "]");
  }

  torch::jit::Module module_;
  torch::jit::Method forward_;
  std::vector<float> obs_;
  int action_size_;
  at::Tensor input_;
};

}  // namespace

std::unique_ptr<ControllerPolicy> MakeLibtorchPolicy(const Bundle& bundle) {
  const std::string file = "policy.pt";
  const std::string content = bundle.Read(file);
  at::set_num_threads(1);
  try {
    return std::make_unique<LibtorchPolicy>(content, bundle.obs_size(), bundle.action_size());
  } catch (const std::exception& error) {
    throw std::runtime_error(bundle.Path(file) + " is refused by LibTorch: " + error.what());
  }
}

}  // namespace td7
