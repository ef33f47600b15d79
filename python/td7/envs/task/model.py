"""The MuJoCo model of a task: found, compiled, and checked to have bounded controls."""

from __future__ import annotations

import copy
import re
import reprlib
import sys
import warnings
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from td7.envs.controls import actuator_name, controls
from td7.envs.model_text import is_model_text
from td7.envs.mujoco_warnings import collected_warnings
from td7.envs.task.definition import Task


def compile_model(task: Task) -> Any:
    """Return the MjModel of a task, its Newton solver on a dense Jacobian.

    Raises FileNotFoundError naming a file that is not there, ValueError with MuJoCo's text for one
    that does not compile and for MJCF text, TypeError for a model that is neither a path nor an
    MjModel.
    """
    given, name = task.model, f"{type(task).__name__}.model"
    if isinstance(given, mujoco.MjModel):
        return _solved_densely(copy.copy(given), name)
    if is_model_text(given):
        raise ValueError(
            f"{name} must be the path of an MJCF file or an MjModel, got text of "
            f"{len(given)} characters: give mujoco.MjModel.from_xml_string(text)"
        )
    if not isinstance(given, (str, Path)):
        got = reprlib.repr(given)
        raise TypeError(f"{name} must be the path of an MJCF file or an MjModel, got {got}")
    path = _folder_of_model(type(task)) / given
    if not path.is_file():
        raise FileNotFoundError(f"{name}: there is no file {path}")
    with collected_warnings() as texts:
        try:
            model = mujoco.MjModel.from_xml_path(str(path))
        except ValueError as error:
            raise ValueError(f"{name}: {path} does not compile: {error}") from error
    for text in texts:
        warnings.warn(f"{name}: {text}", stacklevel=2)
    return _solved_densely(model, name)


def action_bounds(model: Any, name: str) -> NDArray[np.float64]:
    """Return the range of each control [A, 2], in the actuators' own units.

    Raises ValueError, naming the actuator, where there is no finite range with low < high.
    """
    if model.nu == 0:
        wanted, got = "at least one actuator", "none"
        if model.nactuator:
            wanted, got = f"{wanted} with a control", f"{model.nactuator} without any"
        raise ValueError(f"{name}: the model must have {wanted}, got {got}")
    for entry, control in enumerate(controls(model)):
        low, high = model.actuator_ctrlrange[entry]
        if not model.actuator_ctrllimited[entry]:
            got = "none"
        elif not (np.isfinite([low, high]).all() and low < high):
            got = f"{low} {high}"
        else:
            continue
        pid = model.actuator_gaintype[control.actuator] == mujoco.mjtGain.mjGAIN_PID
        raise ValueError(
            f"{name}: actuator {actuator_name(model, control.actuator)} must have a finite "
            f"{control.input if pid else 'ctrl'}range (its bounds are the action's), got {got}"
        )
    return np.array(model.actuator_ctrlrange, np.float64)


def warning_advice(text: str, model: Any) -> str:
    """Return a warning of MuJoCo's without its time, and for the arena with what to write."""
    text = re.sub(r"\s*Time = \S+$", "", text)
    if "arena memory" not in text:
        return text
    kilobytes = -(-model.narena // 1024)
    return (
        "MuJoCo has too little memory for the contacts and constraints of a step and drops some: "
        f'put <size memory="{2 * kilobytes}K"/> or more into the MJCF, got {kilobytes}K'
    )


def _folder_of_model(task: type) -> Path:
    """Return the folder of the file that defines the class whose `model` it is."""
    owner = next(each for each in task.__mro__ if "model" in vars(each))
    file = getattr(sys.modules.get(owner.__module__), "__file__", None)
    return Path(file).resolve().parent if file else Path.cwd()


def _solved_densely(model: Any, name: str) -> Any:
    # MuJoCo 4.0.0's Newton solver is wrong for sparse Jacobians, which AUTO chooses from 60
    # degrees of freedom on
    newton = model.opt.solver == mujoco.mjtSolver.mjSOL_NEWTON
    if mujoco.__version__ == "4.0.0" and newton and mujoco.mj_isSparse(model):
        if model.opt.jacobian == mujoco.mjtJacobian.mjJAC_SPARSE:
            warnings.warn(
                f'{name} asks for jacobian="sparse", with which the Newton solver of MuJoCo 4.0.0 '
                'is wrong: take "dense" or another solver',
                stacklevel=3,
            )
        else:
            model.opt.jacobian = mujoco.mjtJacobian.mjJAC_DENSE
    return model
