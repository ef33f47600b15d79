"""Arguments of vector environments, checked."""

from __future__ import annotations

from collections.abc import Mapping
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
    """Return a copy of reset's option reset_mask [N]; ValueError unless it chooses simulations."""
    right = isinstance(mask, np.ndarray) and mask.dtype == bool
    if not right or mask.shape != (num_envs,) or not mask.any():
        raise ValueError(f"reset_mask must be a bool array [{num_envs}] with a True, got {mask!r}")
    return mask.copy()
