"""From what a user names to what runs it: a native task, a task in Python, or Gymnasium's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gymnasium import VectorizeMode
from gymnasium import make_vec as make_gymnasium_vec
from gymnasium.envs.registration import EnvSpec
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
from td7.envs.vector_args import at_least
from td7.envs.vector_request import VectorArguments, of_spec

SAME_STEP = AutoresetMode.SAME_STEP


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
    env: str | EnvSpec | Task | type[Task],
    num_envs: int = 1,
    num_threads: int = 0,
    *,
    autoreset_mode: AutoresetMode | str | None = None,
    render_mode: str | None = None,
    vectorization_mode: VectorizeMode | str | None = None,
    vector_kwargs: Mapping[str, Any] | None = None,
    wrappers: Sequence[Callable[[Any], Any]] | None = None,
    **kwargs: Any,
) -> VectorEnv[Any, Any, Any]:
    """Make a vector environment of a Gymnasium id or spec, or of a task; SAME_STEP by default.

    A native task and a task of one's own (a class, or its name `file.py:Class`) run on num_threads
    threads (0: all processors). Any other id, and any with a vectorization_mode or wrappers, runs
    in Gymnasium's own vector environment, SyncVectorEnv unless vectorization_mode says another.
    The arguments after render_mode are those of `gymnasium.make_vec`; what a spec of a vector
    environment says of them comes first, as there. Raises ValueError for an unknown id or a bad
    value, TypeError for an argument that the environment does not have.
    """
    asked = VectorArguments(
        num_envs, autoreset_mode, vectorization_mode, vector_kwargs or {}, wrappers or ()
    )
    threads = at_least(0, num_threads, "num_threads") or processors()
    if render_mode is not None:  # which not every environment's constructor knows
        kwargs["render_mode"] = render_mode
    if isinstance(env, EnvSpec):
        env, asked, kwargs = of_spec(env, asked, kwargs)
    elif not isinstance(env, str) or names_task(env):
        asked.expect_simulations("a task")
        if not asked.copy:
            raise ValueError("vector_kwargs must have copy=True for a task, got copy=False")
        task = load_task(env) if isinstance(env, str) else checked_task(env)
        mode = asked.mode(SAME_STEP)
        return TaskVectorEnv(
            task, asked.num_envs, num_threads=threads, autoreset_mode=mode, **kwargs
        )
    if is_native(env) and not asked.are_for_environments:
        return _make_native(env, asked, threads, kwargs)
    with naming_the_id(env.id if isinstance(env, EnvSpec) else env):
        return make_gymnasium_vec(env, **asked.of_gymnasium(SAME_STEP), **kwargs)


def _make_native(
    env: str | EnvSpec, asked: VectorArguments, num_threads: int, kwargs: dict[str, Any]
) -> NativeVectorEnv:
    asked.expect_simulations("a task in C++")
    if isinstance(env, EnvSpec):
        if kwargs.get("max_episode_steps") is None:
            kwargs = {**kwargs, "max_episode_steps": env.max_episode_steps or -1}
        env = env.id
    return NativeVectorEnv(
        env,
        asked.num_envs,
        num_threads=num_threads,
        autoreset_mode=asked.mode(SAME_STEP),
        copy=asked.copy,
        **kwargs,
    )
