// The instruction set in use, for Python: see simd/instruction_set.h.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "bindings/register.h"
#include "simd/instruction_set.h"

namespace py = pybind11;

namespace td7 {
namespace {

std::vector<std::string> InstructionSets() {
  std::vector<std::string> names;
  for (const InstructionSet set : kInstructionSets) {
    if (MachineHas(set)) names.emplace(names.begin(), InstructionSetName(set));
  }
  return names;
}

void SetByName(const std::string& name) {
  std::string known;
  for (const InstructionSet set : kInstructionSets) {
    if (!MachineHas(set)) continue;
    if (name == InstructionSetName(set)) return SetInstructionSet(set);
    known += (known.empty() ? "" : ", ") + std::string(InstructionSetName(set));
  }
  throw std::invalid_argument("instruction set must be one of " + known + " on this machine, got " +
                              name);
}

}  // namespace

void register_simd(py::module_& module) {
  module.def("instruction_sets", &InstructionSets,
             "Returns the sets that this machine has, the fastest first.");
  module.def(
      "instruction_set", [] { return std::string(InstructionSetName(ActiveInstructionSet())); },
      "Returns the set in use.");
  module.def("set_instruction_set", &SetByName, py::arg("name"),
             "Chooses the set for the whole process; results do not depend on it.");
}

}  // namespace td7
