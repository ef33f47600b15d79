// A policy in a control loop, whatever computes it: native_backend.h, onnxruntime_backend.h and
// libtorch_backend.h each make one from a bundle.
//
//   const td7::Bundle bundle("BUNDLE");
//   const auto policy = td7::MakeNativePolicy(bundle, td7::Precision::kFloat32);
//   if (!policy->Act(obs, action)) ...  // in the loop
//
// Threads: one at a time for each object. Ownership: arguments are used during the call only.
#ifndef TD7_RUNTIMES_CONTROLLER_POLICY_H_
#define TD7_RUNTIMES_CONTROLLER_POLICY_H_

namespace td7 {

class ControllerPolicy {
 public:
  ControllerPolicy() = default;
  ControllerPolicy(const ControllerPolicy&) = delete;
  ControllerPolicy& operator=(const ControllerPolicy&) = delete;
  virtual ~ControllerPolicy() = default;

  virtual int obs_size() const noexcept = 0;     // S
  virtual int action_size() const noexcept = 0;  // A

  // What computes it: "native", "native-bf16", "onnxruntime" or "libtorch".
  virtual const char* name() const noexcept = 0;

  // The environment's action [A], within its bounds, for obs [S]. Returns false, and leaves the
  // action as it is, if the backend failed; native never fails. An observation with NaN or infinity
  // succeeds and may give NaN: check what comes in, or what goes out.
  [[nodiscard]] virtual bool Act(const float* obs, float* action) noexcept = 0;
};

}  // namespace td7

#endif  // TD7_RUNTIMES_CONTROLLER_POLICY_H_
