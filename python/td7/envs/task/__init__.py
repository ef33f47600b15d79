"""A robot of one's own: what a user writes (`Task`), and what runs it on mujoco.batch."""

from td7.envs.task.definition import Sims, Task
from td7.envs.task.loading import absolute_name, checked_task, load_task, names_task
from td7.envs.task.random import SimulationRandom
from td7.envs.task.simulations import TaskSimulations
from td7.envs.task.vector_env import TaskVectorEnv

__all__ = [
    "Sims",
    "SimulationRandom",
    "Task",
    "TaskSimulations",
    "TaskVectorEnv",
    "absolute_name",
    "checked_task",
    "load_task",
    "names_task",
]
