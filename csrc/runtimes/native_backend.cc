#include "runtimes/native_backend.h"

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "bundle/safetensors.h"
#include "policy/policy.h"

namespace td7 {
namespace {

class NativePolicy : public ControllerPolicy {
 public:
  NativePolicy(const PolicySizes& sizes, Precision precision)
      : policy(sizes, precision), scratch_(sizes) {}

  int obs_size() const noexcept override { return policy.sizes().obs; }
  int action_size() const noexcept override { return policy.sizes().action; }
  const char* name() const noexcept override {
    return policy.precision() == Precision::kFloat32 ? "native" : "native-bf16";
  }
  bool Act(const float* obs, float* action) noexcept override {
    policy.Act(obs, 1, &scratch_, action);
    return true;
  }

  Policy policy;

 private:
  PolicyScratch scratch_;
};

// Sizes that the tensors alone tell; those of the layers in between are checked as they are loaded.
PolicySizes SizesOf(const Bundle& bundle, const Safetensors& tensors) {
  const auto rows = [&](const char* name) {
    const std::int64_t n = tensors.At(name, 1).shape[0];
    if (n <= kMostSize) return static_cast<int>(n);
    throw std::runtime_error(tensors.file() + " has " + std::to_string(n) + " numbers in " + name +
                             ", more than " + std::to_string(kMostSize));
  };
  return {bundle.obs_size(), bundle.action_size(), rows("encoder.zs3.bias"),
          rows("encoder.zs1.bias"), rows("actor.l0.bias")};
}

PolicyWeights WeightsOf(const Safetensors& tensors, const PolicySizes& sizes) {
  const auto [obs, action, embedding, hidden, actor] = sizes;
  const auto linear = [&](const std::string& layer, int inputs, int outputs) {
    return LinearWeights{tensors.Floats(layer + ".weight", {outputs, inputs}),
                         tensors.Floats(layer + ".bias", {outputs})};
  };
  return {linear("encoder.zs1", obs, hidden),
          linear("encoder.zs2", hidden, hidden),
          linear("encoder.zs3", hidden, embedding),
          linear("actor.l0", obs, actor),
          linear("actor.l1", actor + embedding, actor),
          linear("actor.l2", actor, actor),
          linear("actor.l3", actor, action),
          tensors.Floats("low", {action}),
          tensors.Floats("high", {action})};
}

constexpr const char* kWeights = "policy.safetensors";
constexpr const char* kEncoder = "encoder.zs3.bias";

}  // namespace

bool HoldsNativePolicy(const Bundle& bundle) {
  return Safetensors(bundle.Read(kWeights), bundle.Path(kWeights)).Holds(kEncoder);
}

std::unique_ptr<ControllerPolicy> MakeNativePolicy(const Bundle& bundle, Precision precision) {
  const Safetensors tensors(bundle.Read(kWeights), bundle.Path(kWeights));
  if (!tensors.Holds(kEncoder)) {
    throw std::runtime_error(tensors.file() +
                             " holds an actor without an encoder, which the native backend does "
                             "not compute: use onnxruntime or libtorch");
  }
  const PolicySizes sizes = SizesOf(bundle, tensors);
  const PolicyWeights weights = WeightsOf(tensors, sizes);
  if (!std::equal(bundle.low().begin(), bundle.low().end(), weights.low) ||
      !std::equal(bundle.high().begin(), bundle.high().end(), weights.high)) {
    throw std::runtime_error(tensors.file() + " has other bounds of actions than manifest.json");
  }
  auto native = std::make_unique<NativePolicy>(sizes, precision);
  native->policy.Load(weights);
  return native;
}

}  // namespace td7
