"""Environments: native tasks, a user's own tasks, and any Gymnasium id with Box spaces."""

from typing import Any

from gymnasium import make_vec as make_gymnasium_vec
from gymnasium.vector import AutoresetMode, VectorEnv

from td7.envs.gymnasium import (
    GymnasiumSimulations,
    SimulationError,
    check_finite,
    make_env,
    naming_the_id,
    to_space,
)
from td7.envs.native import is_native
from td7.envs.native_vector_env import NativeVectorEnv
from td7.envs.simulations import Simulations
from td7.envs.vector_args import at_least, checked_mode

__all__ = [
    "NativeVectorEnv",
    "SimulationError",
    "Simulations",
    "check_finite",
    "is_native",
    "make_env",
    "make_simulations",
    "make_vec",
    "to_space",
]


def make_simulations(env: str, num_sims: int, num_threads: int = 0) -> Simulations:
    """Make simulations that are stepped from Python, of a Gymnasium id or a task.

    Raises ValueError for an environment that cannot be trained.
    """
    return GymnasiumSimulations(env, num_sims)


def make_vec(
    env: str,
    num_envs: int = 1,
    num_threads: int = 0,
    *,
    autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
    render_mode: str | None = None,
    **kwargs: Any,
) -> VectorEnv[Any, Any, Any]:
    """Make a vector environment of a Gymnasium id; kwargs as of `gymnasium.make`.

    A native task runs on num_threads threads in C++ (0: all processors), any other id in
    Gymnasium's own SyncVectorEnv. Raises ValueError for an unknown id or a bad value, TypeError for
    an argument that the environment does not have.
    """
    at_least(1, num_envs, "num_envs")
    at_least(0, num_threads, "num_threads")
    mode = checked_mode(autoreset_mode)
    if is_native(env):
        return NativeVectorEnv(
            env,
            num_envs,
            num_threads=num_threads,
            autoreset_mode=mode,
            render_mode=render_mode,
            **kwargs,
        )
    if render_mode is not None:  # which not every environment's constructor knows
        kwargs["render_mode"] = render_mode
    with naming_the_id(env):
        return make_gymnasium_vec(
            env,
            num_envs,
            vectorization_mode="sync",
            vector_kwargs={"autoreset_mode": mode},
            **kwargs,
        )
