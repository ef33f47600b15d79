"""From what a user names to what runs it: a native task, a task in Python, or Gymnasium's own."""

from __future__ import annotations

from typing import Any

from gymnasium import make_vec as make_gymnasium_vec
from gymnasium.vector import AutoresetMode, VectorEnv

from td7.envs.gymnasium import GymnasiumSimulations, naming_the_id
from td7.envs.native import NativeVectorEnv, is_native, processors
from td7.envs.simulations import Simulations
from td7.envs.task import (
    Task,
    TaskSimulations,
    TaskVectorEnv,
    checked_task,
    load_task,
    names_task,
)
from td7.envs.vector_args import at_least, checked_mode


def make_simulations(
    env: str, num_sims: int, num_threads: int = 0, max_episode_steps: int = 0
) -> Simulations:
    """Make simulations that are stepped from Python, of a task (`file.py:Class`) or a Gymnasium id.

    A task's physics runs on num_threads threads (0: all processors). max_episode_steps replaces the
    time limit, unless 0. Raises ValueError for an environment that cannot be trained.
    """
    if names_task(env):
        task = load_task(env)()
        if max_episode_steps:
            task.max_episode_steps = max_episode_steps
        return TaskSimulations(task, num_sims, num_threads or processors())
    # a native task draws the same episodes where it is stepped from Python
    seed_bits = 64 if is_native(env) else 31
    return GymnasiumSimulations(env, num_sims, seed_bits, max_episode_steps)


def make_vec(
    env: str | Task | type[Task],
    num_envs: int = 1,
    num_threads: int = 0,
    *,
    autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
    render_mode: str | None = None,
    **kwargs: Any,
) -> VectorEnv[Any, Any, Any]:
    """Make a vector environment of a Gymnasium id or a task; kwargs as of `gymnasium.make`.

    A native task and a task of one's own (a class, or its name `file.py:Class`) run on num_threads
    threads (0: all processors), any other id in Gymnasium's own SyncVectorEnv. Raises ValueError
    for an unknown id or a bad value, TypeError for an argument that the environment does not have.
    """
    num_envs = at_least(1, num_envs, "num_envs")
    threads = at_least(0, num_threads, "num_threads") or processors()
    modes: dict[str, Any] = {
        "autoreset_mode": checked_mode(autoreset_mode),
        "render_mode": render_mode,
    }
    if not isinstance(env, str) or names_task(env):
        task = load_task(env) if isinstance(env, str) else checked_task(env)
        return TaskVectorEnv(task, num_envs, num_threads=threads, **modes, **kwargs)
    if is_native(env):
        return NativeVectorEnv(env, num_envs, num_threads=threads, **modes, **kwargs)
    if render_mode is not None:  # which not every environment's constructor knows
        kwargs["render_mode"] = render_mode
    with naming_the_id(env):
        return make_gymnasium_vec(
            env,
            num_envs,
            vectorization_mode="sync",
            vector_kwargs={
                **kwargs.pop("vector_kwargs", {}),
                "autoreset_mode": modes["autoreset_mode"],
            },
            **kwargs,
        )
