#include "runtimes/backends.h"

#include "runtimes/native_backend.h"
#ifdef TD7_HAS_ONNXRUNTIME
#include "runtimes/onnxruntime_backend.h"
#endif
#ifdef TD7_HAS_LIBTORCH
#include "runtimes/libtorch_backend.h"
#endif

namespace td7 {
namespace {

#ifdef TD7_HAS_ONNXRUNTIME
constexpr Backend::Make kOnnxruntime = &MakeOnnxruntimePolicy;
#else
constexpr Backend::Make kOnnxruntime = nullptr;
#endif
#ifdef TD7_HAS_LIBTORCH
constexpr Backend::Make kLibtorch = &MakeLibtorchPolicy;
#else
constexpr Backend::Make kLibtorch = nullptr;
#endif

std::unique_ptr<ControllerPolicy> MakeNative(const Bundle& bundle) {
  return MakeNativePolicy(bundle, Precision::kFloat32);
}

std::unique_ptr<ControllerPolicy> MakeBfloat16(const Bundle& bundle) {
  return MakeNativePolicy(bundle, Precision::kBfloat16);
}

}  // namespace

const std::vector<Backend>& Backends() {
  static const std::vector<Backend> backends{
      {"native", &MakeNative, &HoldsNativePolicy},
      {"native-bf16", &MakeBfloat16,
       [](const Bundle& b) { return b.action_error("native-bf16").has_value(); }},
      {"onnxruntime", kOnnxruntime,
       [](const Bundle& b) { return b.Holds("policy_batch1.onnx") || b.Holds("policy.onnx"); }},
      {"libtorch", kLibtorch, [](const Bundle& b) { return b.Holds("policy.pt"); }},
  };
  return backends;
}

}  // namespace td7
