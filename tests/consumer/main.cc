// Replays a bundle's test vectors: exits with 0 if the backend reproduces them.
#include <td7/controller/bundle.h>
#include <td7/controller/native_backend.h>
#include <td7/controller/parity.h>

#include <cstdio>
#ifdef TD7_HAS_ONNXRUNTIME
#include <td7/controller/onnxruntime_backend.h>
#endif
#ifdef TD7_HAS_LIBTORCH
#include <td7/controller/libtorch_backend.h>
#endif

int main(int, char** argv) {
  const td7::Bundle bundle(argv[1]);
#if defined(TD7_HAS_ONNXRUNTIME)
  const auto policy = td7::MakeOnnxruntimePolicy(bundle);
#elif defined(TD7_HAS_LIBTORCH)
  const auto policy = td7::MakeLibtorchPolicy(bundle);
#else
  const auto policy = td7::MakeNativePolicy(bundle, td7::Precision::kFloat32);
#endif
  const double error = td7::ActionError(policy.get(), bundle, td7::ReadVectors(bundle));
  std::printf("%s %g\n", policy->name(), error);
  return error <= bundle.tolerance() ? 0 : 1;
}
