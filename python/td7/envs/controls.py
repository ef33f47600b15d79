"""The controls of a MuJoCo model: the entries of `ctrl`, which are what a policy's actions drive.

An actuator has no control (a passive dcmotor), one, or several (a pid with two inputs): an action's
number is a control's number, not an actuator's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco

_JOINTS = (mujoco.mjtTrn.mjTRN_JOINT.value, mujoco.mjtTrn.mjTRN_JOINTINPARENT.value)


@dataclass(frozen=True)
class Control:
    """One entry of `ctrl`."""

    name: str  # the actuator's, followed by the input's where it has several: arm.pos
    actuator: int
    input: str | None  # MuJoCo's name of the input, None where it has none
    joint: str  # the joint that the actuator drives; empty for a tendon, site or body


def controls(model: Any) -> list[Control]:
    """Return the controls of an MjModel in the order of `ctrl` [nu]; no two have the same name."""
    found: dict[int, Control] = {}
    taken = {model.actuator(actuator).name for actuator in range(model.nactuator)}
    for actuator in range(model.nactuator):
        for number in range(model.actuator_ctrlnum[actuator]):
            text = mujoco.mj_actuatorInputName(model, actuator, number)
            name = actuator_name(model, actuator)
            if model.actuator_ctrlnum[actuator] > 1:
                name = f"{name}.{text or number}"
            while name in taken and name != model.actuator(actuator).name:
                name += "_"
            taken.add(name)
            joint = _joint(model, actuator)
            control = Control(name, actuator, text, joint)
            found[int(model.actuator_ctrladr[actuator]) + number] = control
    return [found[entry] for entry in range(model.nu)]


def joint_names(model: Any) -> list[str]:
    """Return the joint of each control [nu]; nothing if one drives none, or one without a name."""
    joints = [control.joint for control in controls(model)]
    return joints if all(joints) else []


def actuator_name(model: Any, actuator: int) -> str:
    """Return an actuator's name in the MJCF, or its number where it has none."""
    return model.actuator(actuator).name or str(actuator)


def _joint(model: Any, actuator: int) -> str:
    if model.actuator_trntype[actuator] not in _JOINTS:
        return ""
    name: str = model.joint(model.actuator_trnid[actuator, 0]).name
    return name
