// One function a file: each adds its classes and functions to the module.
#ifndef TD7_BINDINGS_REGISTER_H_
#define TD7_BINDINGS_REGISTER_H_

#include <pybind11/pybind11.h>

namespace td7 {

void register_random(pybind11::module_& module);
void register_replay(pybind11::module_& module);
void register_simd(pybind11::module_& module);
void register_ledger(pybind11::module_& module);
void register_policy(pybind11::module_& module);
void register_mujoco(pybind11::module_& module);
void register_numpy(pybind11::module_& module);
void register_engine(pybind11::module_& module);
void register_rollouts(pybind11::module_& module);

}  // namespace td7

#endif  // TD7_BINDINGS_REGISTER_H_
