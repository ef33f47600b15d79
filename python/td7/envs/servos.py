"""What a model's position servos are to a controller with one PD law a joint.

Such a controller computes: torque = stiffness * (default_joint_pos + action_scale * action - q)
- damping * dq. mjlab's read these names from an ONNX file's metadata.
"""

from __future__ import annotations

from typing import Any

import mujoco

from td7.envs.controls import Control, controls

_SCALAR = (mujoco.mjtJoint.mjJNT_HINGE.value, mujoco.mjtJoint.mjJNT_SLIDE.value)


def position_servos(model: Any) -> dict[str, list[float]]:
    """Return joint_stiffness, joint_damping, action_scale, default_joint_pos [nu] of an MjModel.

    Empty unless each control is the position of its own hinge or slide joint. Without the last two
    where a joint's reference position is not 0: actions are positions, not offsets from it.
    """
    found = controls(model)
    joints = [model.actuator_trnid[each.actuator, 0] for each in found]
    if not all(_is_servo(model, each) for each in found) or len(set(joints)) < len(joints):
        return {}
    gears = [float(model.actuator_gear[model.actuator_outadr[c.actuator], 0]) for c in found]
    gains = [0.0 - model.actuator_biasprm[each.actuator, 1:3] for each in found]
    servos = {
        "joint_stiffness": [float(kp) * g**2 for (kp, _), g in zip(gains, gears, strict=True)],
        "joint_damping": [float(kv) * g**2 for (_, kv), g in zip(gains, gears, strict=True)],
    }
    reference = [float(model.qpos0[model.jnt_qposadr[joint]]) for joint in joints]
    if not any(reference):
        servos |= {"action_scale": [1 / gear for gear in gears], "default_joint_pos": reference}
    return servos


def _is_servo(model: Any, control: Control) -> bool:
    """Return whether a control's force is kp * (ctrl - length) - kv * velocity, kp > 0."""
    actuator = control.actuator
    plain = (
        bool(control.joint)
        and model.jnt_type[model.actuator_trnid[actuator, 0]] in _SCALAR
        and model.actuator_ctrlnum[actuator] == 1
        and model.actuator_plugin[actuator] < 0
        and model.actuator_dyntype[actuator] == mujoco.mjtDyn.mjDYN_NONE
        and model.actuator_biastype[actuator] == mujoco.mjtBias.mjBIAS_AFFINE
        and model.actuator_gear[model.actuator_outadr[actuator], 0] != 0
    )
    offset, kp, _ = -model.actuator_biasprm[actuator, :3]
    fixed = model.actuator_gaintype[actuator] == mujoco.mjtGain.mjGAIN_FIXED
    pid = model.actuator_gaintype[actuator] == mujoco.mjtGain.mjGAIN_PID and control.input == "pos"
    follows = pid or (fixed and model.actuator_gainprm[actuator, 0] == kp)
    return bool(plain and follows and kp > 0 and offset == 0)
