// The policy by onnxruntime, from a bundle's policy_batch1.onnx or policy.onnx.
//
// One thread and no spinning; input and output are bound once. onnxruntime itself allocates in each
// call. The headers of onnxruntime are needed to build this, not to use it.
#ifndef TD7_RUNTIMES_ONNXRUNTIME_BACKEND_H_
#define TD7_RUNTIMES_ONNXRUNTIME_BACKEND_H_

#include <memory>

#include "bundle/bundle.h"
#include "runtimes/controller_policy.h"

namespace td7 {

// Throws std::runtime_error, naming the file, if the bundle has no such graph, its weights lie in
// another file or onnxruntime refuses it.
std::unique_ptr<ControllerPolicy> MakeOnnxruntimePolicy(const Bundle& bundle);

}  // namespace td7

#endif  // TD7_RUNTIMES_ONNXRUNTIME_BACKEND_H_
