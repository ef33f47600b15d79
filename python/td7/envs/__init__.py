"""Environments: native tasks, a user's own tasks, and any Gymnasium id with Box spaces."""

from td7.envs.gymnasium import (
    GymnasiumSimulations,
    SimulationError,
    check_finite,
    make_env,
    to_space,
)
from td7.envs.native import is_native
from td7.envs.simulations import Simulations

__all__ = [
    "SimulationError",
    "Simulations",
    "check_finite",
    "is_native",
    "make_env",
    "make_simulations",
    "to_space",
]


def make_simulations(env: str, num_sims: int, num_threads: int = 0) -> Simulations:
    """Make simulations that are stepped from Python, of a Gymnasium id or a task.

    Raises ValueError for an environment that cannot be trained.
    """
    return GymnasiumSimulations(env, num_sims)
