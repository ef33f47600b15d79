// The extension module td7._core.
#include <pybind11/pybind11.h>

#include "bindings/register.h"

PYBIND11_MODULE(_core, module) {
  module.doc() = "The C++ core of td7; use the Python packages around it.";
  td7::register_random(module);
  td7::register_replay(module);
  td7::register_simd(module);
  td7::register_ledger(module);
  td7::register_policy(module);
  td7::register_mujoco(module);
  td7::register_numpy(module);
  td7::register_engine(module);
  td7::register_rollouts(module);
}
