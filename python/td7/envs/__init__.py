"""Environments: what td7 trains on."""

from td7.envs.gymnasium import DivergedError, check_finite, make_env, to_space
from td7.envs.task import Task
from td7.envs.task_loading import load_task, names_task
from td7.envs.task_random import SimulationRandom
from td7.envs.task_simulations import TaskSimulations
from td7.envs.task_vector_env import TaskVectorEnv

__all__ = [
    "DivergedError",
    "SimulationRandom",
    "Task",
    "TaskSimulations",
    "TaskVectorEnv",
    "check_finite",
    "load_task",
    "make_env",
    "names_task",
    "to_space",
]
