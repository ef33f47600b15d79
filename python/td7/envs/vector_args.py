"""Arguments of vector environments, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

# Arguments of gymnasium.make and of MujocoEnv that are not the task's.
OF_THE_PICTURE = (
    "width",
    "height",
    "camera_id",
    "camera_name",
    "default_camera_config",
    "max_geom",
    "visual_options",
    "disable_env_checker",
)
NO_LIMIT = 2**63 - 1


def at_least(least: int, value: Any, name: str, most: int = 2**63 - 1) -> int:
    """Return an integer; ValueError names what is none, too small or too large."""
    if isinstance(value, int) and value > most:
        raise ValueError(f"{name} must be an integer of at most {most}, got {value}")
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= least:
        return int(value)
    what = " (0: all processors)" if name == "num_threads" else ""
    raise ValueError(f"{name} must be an integer of at least {least}{what}, got {value!r}")


def checked_mode(mode: AutoresetMode | str) -> AutoresetMode:
    """Return an autoreset mode given as such or by its value."""
    try:
        return AutoresetMode(mode)
    except ValueError:
        known = ", ".join(repr(each.value) for each in AutoresetMode)
        raise ValueError(f"autoreset_mode must be one of {known}, got {mode!r}") from None


def task_arguments(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `make_engine` takes of the arguments of gymnasium.make; -1 steps: no limit."""
    arguments = {name: value for name, value in kwargs.items() if name not in OF_THE_PICTURE}
    limit = arguments.pop("max_episode_steps", None)
    if limit == -1:
        return {**arguments, "max_episode_steps": NO_LIMIT}
    if limit is not None:
        arguments["max_episode_steps"] = at_least(1, limit, "max_episode_steps")
    return arguments


def checked_mask(mask: Any, num_envs: int) -> NDArray[np.bool_]:
    """Return a copy of reset's option reset_mask [N].

    Raises TypeError for what is no array of bools, ValueError for another shape or no True.
    """
    text = f"reset_mask must be a bool array [{num_envs}] with a True, got {mask!r}"
    if not isinstance(mask, np.ndarray) or mask.dtype != bool:
        raise TypeError(text)
    if mask.shape != (num_envs,) or not mask.any():
        raise ValueError(text)
    return mask.copy()


def checked_seeds(seed: Any, num_envs: int) -> list[Any]:
    """Return reset's seed as a list [N], integers as Python's: seed + i of a number, or the list.

    Raises TypeError for what is neither, ValueError for a list of another length.
    """
    if isinstance(seed, np.ndarray):
        seed = seed.tolist()
    if seed is None:
        return [None] * num_envs
    if isinstance(seed, (int, np.integer)):
        return [int(seed) + i for i in range(num_envs)]
    if not isinstance(seed, Sequence):
        raise TypeError(
            f"seed must be None, an integer or a list of {num_envs} seeds, got {seed!r}"
        )
    if len(seed) != num_envs:
        raise ValueError(f"seed must be a list of {num_envs} seeds, got {len(seed)}")
    return [int(each) if isinstance(each, np.integer) else each for each in seed]


def checked_actions(actions: Any, num_envs: int, size: int) -> NDArray[Any]:
    """Return actions [N, A] as an array, C-contiguous: of float32 if they are, or else of float64.

    Gymnasium's tasks compute in the precision of their action; a list's is float64, as are whole
    numbers'. Raises TypeError for what is no array or list of numbers, ValueError for rows of
    different lengths; checks no other shape.
    """
    if isinstance(actions, np.ndarray) and actions.ndim > 0:
        given = actions
    elif not hasattr(actions, "__iter__") or isinstance(actions, np.ndarray):
        raise TypeError(f"actions must be numbers [{num_envs}, {size}], got {actions!r}")
    else:
        try:
            given = np.asarray(list(actions))
        except ValueError as error:
            raise ValueError(
                f"actions must be numbers [{num_envs}, {size}], got rows that differ: {error}"
            ) from None
    if given.dtype == np.float32:
        return np.ascontiguousarray(given)
    if given.dtype == np.float64 or given.dtype.kind in "iu":
        return np.ascontiguousarray(given, np.float64)
    raise TypeError(
        f"actions must be float32, float64 or integers [{num_envs}, {size}], got {given.dtype} "
        f"{list(given.shape)}"
    )
