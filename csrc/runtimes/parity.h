// A backend against what eager torch computed when the bundle was written.
//
// Threads: one at a time for each policy. Errors: std::runtime_error if the policy's sizes are not
// the bundle's or a call fails.
#ifndef TD7_RUNTIMES_PARITY_H_
#define TD7_RUNTIMES_PARITY_H_

#include "bundle/bundle.h"
#include "runtimes/controller_policy.h"

namespace td7 {

// The largest difference from the vectors' actions, to the bit as td7.deploy.verify measures it: in
// units of half their range, or, where the bounds lie so far from 0 that one rounding of an action
// would be more than 1e-5 of that, in the unit of which it is 1e-5. Infinity if an action is NaN.
double ActionError(ControllerPolicy* policy, const Bundle& bundle, const BundleVectors& vectors);

// What ActionError may be: the manifest's action_error for a backend whose name is a variant of it,
// else the bundle's tolerance.
double AllowedError(const ControllerPolicy& policy, const Bundle& bundle);

}  // namespace td7

#endif  // TD7_RUNTIMES_PARITY_H_
