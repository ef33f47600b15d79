// The two versions of MuJoCo that meet here: that of the headers this extension was compiled with,
// and that of the library which is loaded. MuJoCo's structs change from one version to the next, so
// td7 refuses to start unless the two are equal.
#include <mujoco/mujoco.h>
#include <pybind11/pybind11.h>

#include <utility>

#include "bindings/register.h"

namespace td7 {

void register_mujoco(pybind11::module_& module) {
  module.def(
      "mujoco_versions", [] { return std::make_pair(mjVERSION_HEADER, mj_version()); },
      "Returns MuJoCo's version as (compiled against, loaded); 4.0.0 is 4000000.");
}

}  // namespace td7
