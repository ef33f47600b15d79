"""Gymnasium's MuJoCo -v5 tasks that are in C++: the same numbers to the bit, without Python."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box
from numpy.typing import NDArray

from td7.envs.gymnasium import make_env
from td7.envs.model_text import is_model_text
from td7.extension import core

# What a constructor takes that is not the task's: the model's file, and what is for rendering.
NOT_OF_THE_TASK = ("self", "xml_file", "default_camera_config", "kwargs")
WORD = 2**64


def is_native(env: str | EnvSpec) -> bool:
    """Whether an id, or a spec with no arguments, is a task in C++ and still Gymnasium's own."""
    if isinstance(env, EnvSpec):
        own = gymnasium.registry.get(env.id)
        if own is None or own.entry_point != env.entry_point:
            return False
        return not (env.kwargs or env.additional_wrappers) and is_native(env.id)
    spec = gymnasium.registry.get(env)
    if env not in core.task_ids() or spec is None or not isinstance(spec.entry_point, str):
        return False
    changed = spec.kwargs or spec.additional_wrappers or spec.max_episode_steps is None
    return spec.entry_point.startswith("gymnasium.envs.mujoco.") and not changed


def make_engine(env_id: str, num_sims: int, num_threads: int = 0, **kwargs: Any) -> Any:
    """Make the engine of a native task; kwargs as of `gymnasium.make`, 0 threads: all processors.

    Its simulations want a seed each before their first episode. Raises TypeError for an argument
    that the task does not have, ValueError for a bad value and
    for a model that does not compile.
    """
    spec = gymnasium.spec(env_id)
    assert isinstance(spec.entry_point, str)
    module, name = spec.entry_point.split(":")
    signature = inspect.signature(getattr(importlib.import_module(module), name).__init__)
    max_episode_steps = kwargs.pop("max_episode_steps", spec.max_episode_steps)
    arguments = _arguments(env_id, signature, kwargs)
    mujoco_env = importlib.import_module("gymnasium.envs.mujoco.mujoco_env")
    xml_file = kwargs.get("xml_file", signature.parameters["xml_file"].default)
    if is_model_text(xml_file):
        raise ValueError(
            f"{env_id}: xml_file must be the path of an MJCF file, got text of {len(xml_file)} "
            "characters: write it to a file"
        )
    return core.Engine(
        env_id,
        mujoco_env.expand_model_path(xml_file),
        arguments,
        num_sims,
        num_threads or processors(),
        max_episode_steps,
    )


def processors() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def spaces(env_id: str) -> tuple[Box, Box]:
    """Return the observation and action space of one environment."""
    env = make_env(env_id)
    env.close()
    assert isinstance(env.observation_space, Box) and isinstance(env.action_space, Box)
    return env.observation_space, env.action_space


def pcg64_words(state: Mapping[str, Any]) -> NDArray[np.uint64]:
    """Return the state dict of a numpy PCG64 as the six words that the engine takes."""
    words = []
    for number in (state["state"]["state"], state["state"]["inc"]):
        words += divmod(number, WORD)
    return np.array([*words, state["has_uint32"], state["uinteger"]], np.uint64)


def pcg64_state(words: NDArray[np.uint64]) -> dict[str, Any]:
    """Return six words as the state dict of a numpy PCG64."""
    high, low, inc_high, inc_low, has_uint32, uinteger = words.tolist()
    state = {"state": high * WORD + low, "inc": inc_high * WORD + inc_low}
    return {
        "bit_generator": "PCG64",
        "state": state,
        "has_uint32": has_uint32,
        "uinteger": uinteger,
    }


def _arguments(
    env_id: str, signature: inspect.Signature, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return every argument of the task, Gymnasium's defaults included."""
    arguments = {
        name: parameter.default
        for name, parameter in signature.parameters.items()
        if name not in NOT_OF_THE_TASK
    }
    for name, value in given.items():
        if name == "xml_file":
            continue
        if name not in arguments:
            known = ", ".join(["xml_file", *arguments])
            raise TypeError(f"{env_id} has no argument {name!r}; it has {known}")
        if isinstance(value, np.generic):
            raise TypeError(
                f"{env_id}: {name} must be a number of Python's, got {value!r}: with numpy's, "
                "Gymnasium computes in another precision"
            )
        arguments[name] = value
    return arguments
