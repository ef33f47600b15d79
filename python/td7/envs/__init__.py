"""Environments: native tasks, a user's own tasks, and any Gymnasium id with Box spaces."""

from td7.envs.gymnasium import (
    GymnasiumSimulations,
    SimulationError,
    check_finite,
    make_env,
    to_space,
)
from td7.envs.make import make_simulations, make_vec
from td7.envs.native import is_native
from td7.envs.native_vector_env import NativeVectorEnv
from td7.envs.simulations import Simulations
from td7.envs.task import Task
from td7.envs.task_loading import load_task, names_task
from td7.envs.task_random import SimulationRandom
from td7.envs.task_simulations import TaskSimulations
from td7.envs.task_vector_env import TaskVectorEnv

__all__ = [
    "GymnasiumSimulations",
    "NativeVectorEnv",
    "SimulationError",
    "SimulationRandom",
    "Simulations",
    "Task",
    "TaskSimulations",
    "TaskVectorEnv",
    "check_finite",
    "is_native",
    "load_task",
    "make_env",
    "make_simulations",
    "make_vec",
    "names_task",
    "to_space",
]
