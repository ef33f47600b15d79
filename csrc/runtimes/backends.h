// The backends that bundle_check knows, built in or not.
#ifndef TD7_RUNTIMES_BACKENDS_H_
#define TD7_RUNTIMES_BACKENDS_H_

#include <memory>
#include <string>
#include <vector>

#include "bundle/bundle.h"
#include "runtimes/controller_policy.h"

namespace td7 {

struct Backend {
  using Make = std::unique_ptr<ControllerPolicy> (*)(const Bundle&);

  std::string name;
  Make make;  // nullptr: not built
  bool (*in_bundle)(const Bundle&);
};

// native, native-bf16, onnxruntime and libtorch.
const std::vector<Backend>& Backends();

}  // namespace td7

#endif  // TD7_RUNTIMES_BACKENDS_H_
