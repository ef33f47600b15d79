// Replays a bundle's test vectors: exits with 0 if every backend reproduces them.
#include <td7/bundle/bundle.h>
#include <td7/runtimes/native_backend.h>
#include <td7/runtimes/parity.h>

#include <cstdio>
#include <memory>
#ifdef TD7_HAS_ONNXRUNTIME
#include <td7/runtimes/onnxruntime_backend.h>
#endif
#ifdef TD7_HAS_LIBTORCH
#include <td7/runtimes/libtorch_backend.h>
#endif

int main(int, char** argv) {
  const td7::Bundle bundle(argv[1]);
  const td7::BundleVectors vectors = td7::ReadVectors(bundle);
  bool reproduced = true;
  const auto replay = [&](std::unique_ptr<td7::ControllerPolicy> policy) {
    const double error = td7::ActionError(policy.get(), bundle, vectors);
    std::printf("%s %g\n", policy->name(), error);
    reproduced = reproduced && error <= bundle.tolerance();
  };
  replay(td7::MakeNativePolicy(bundle, td7::Precision::kFloat32));
#ifdef TD7_HAS_ONNXRUNTIME
  replay(td7::MakeOnnxruntimePolicy(bundle));
#endif
#ifdef TD7_HAS_LIBTORCH
  replay(td7::MakeLibtorchPolicy(bundle));
#endif
  return reproduced ? 0 : 1;
}
