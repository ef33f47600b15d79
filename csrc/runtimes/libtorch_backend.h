// The policy by LibTorch, from a bundle's policy.pt (TorchScript).
//
// In inference mode, frozen and warmed up; LibTorch allocates in each call. Making one sets the
// whole process to one thread inside an operator (at::set_num_threads). LibTorch and C++20 are
// needed to build this, not to use it.
#ifndef TD7_RUNTIMES_LIBTORCH_BACKEND_H_
#define TD7_RUNTIMES_LIBTORCH_BACKEND_H_

#include <memory>

#include "bundle/bundle.h"
#include "runtimes/controller_policy.h"

namespace td7 {

// Throws std::runtime_error, naming the file, if the bundle has no policy.pt or LibTorch refuses
// it.
std::unique_ptr<ControllerPolicy> MakeLibtorchPolicy(const Bundle& bundle);

}  // namespace td7

#endif  // TD7_RUNTIMES_LIBTORCH_BACKEND_H_
