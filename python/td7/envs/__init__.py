"""Environments: native tasks, a user's own tasks, and any Gymnasium id with Box spaces."""

from td7.envs.gymnasium import (
    GymnasiumSimulations,
    SimulationError,
    make_env,
    to_space,
)
from td7.envs.native import NativeVectorEnv, is_native
from td7.envs.simulations import Simulations
from td7.envs.task import (
    SimulationRandom,
    Task,
    TaskSimulations,
    TaskVectorEnv,
    absolute_name,
    load_task,
    names_task,
)
from td7.envs.vector import make_simulations, make_vec

__all__ = [
    "GymnasiumSimulations",
    "NativeVectorEnv",
    "SimulationError",
    "SimulationRandom",
    "Simulations",
    "Task",
    "TaskSimulations",
    "TaskVectorEnv",
    "absolute_name",
    "is_native",
    "load_task",
    "make_env",
    "make_simulations",
    "make_vec",
    "names_task",
    "to_space",
]
