"""What an environment's observations and actions are, for whoever puts a policy on a robot."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import mujoco

from td7.envs.controls import controls, joint_names
from td7.envs.gymnasium import make_env
from td7.envs.servos import position_servos
from td7.envs.task import TaskSimulations, load_task, names_task


@dataclass(frozen=True)
class Signals:
    """Names and units of observations [S] and actions [A], empty where they are not known."""

    obs_names: list[str] = field(default_factory=list)
    obs_units: list[str] = field(default_factory=list)
    action_names: list[str] = field(default_factory=list)
    action_units: list[str] = field(default_factory=list)
    joint_names: list[str] = field(default_factory=list)  # of the A actions
    dt: float | None = None  # seconds between two actions
    servos: dict[str, list[float]] = field(default_factory=dict)  # see position_servos


def signals(env: str) -> Signals:
    """Return what is known of an environment's signals: a task tells all, MuJoCo its controls.

    Makes the environment; raises ValueError where it cannot be made.
    """
    if names_task(env):
        return _of_task(env)
    made = make_env(env)
    try:
        unwrapped: Any = made.unwrapped
        model, dt = getattr(unwrapped, "model", None), getattr(unwrapped, "dt", None)
        # an environment may have a model of something else, or actions that are no actuators'
        if not isinstance(model, mujoco.MjModel) or made.action_space.shape != (model.nu,):
            return Signals()
        names = [control.name for control in controls(model)]
        period = float(dt) if isinstance(dt, float) and 0 < dt < math.inf else None
        return Signals(
            action_names=names,
            joint_names=joint_names(model),
            dt=period,
            servos=position_servos(model),
        )
    finally:
        made.close()


def _of_task(env: str) -> Signals:
    simulations = TaskSimulations(load_task(env))
    task = simulations.task
    try:
        return Signals(
            list(task.obs_names),
            list(task.obs_units),
            list(task.action_names),
            list(task.action_units),
            joint_names(task.mj_model),
            task.dt,
            position_servos(task.mj_model),
        )
    finally:
        simulations.close()
