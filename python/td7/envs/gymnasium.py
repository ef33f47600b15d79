"""Any Gymnasium id with 1-D Box observations and finite Box actions, checked at the door."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray
from torch import Tensor


class DivergedError(RuntimeError):
    """The environment returned a value that is not finite."""


def check_finite(value: Any, name: str, where: str) -> None:
    """Raise DivergedError unless an observation or reward is finite."""
    if not np.isfinite(value).all():
        raise DivergedError(f"{where}: the environment's {name} must be finite, got {value}")


def make_env(env_id: str) -> gymnasium.Env[Any, Any]:
    """Make a Gymnasium environment that TD7 can learn, or say why it cannot.

    Raises ValueError, naming the id or the space, for an unknown id, an observation space that is
    not a 1-D Box, or an action space that is not a 1-D Box of floats with finite bounds.
    """
    try:
        with _mujoco_warns_through_python():
            env = gymnasium.make(env_id)
    except gymnasium.error.DependencyNotInstalled as error:
        raise ValueError(f"env {env_id!r} needs a package that is missing: {error}") from error
    except (gymnasium.error.Error, ModuleNotFoundError) as error:
        raise ValueError(f"env must be a known Gymnasium id, got {env_id!r}: {error}") from error
    try:
        _check_spaces(env_id, env)
    except ValueError:
        env.close()
        raise
    return env


def to_space(env: gymnasium.Env[Any, Any], action: Tensor) -> NDArray[Any]:
    """Return an action [A] in the dtype of the environment's space, within its own bounds."""
    space = env.action_space
    assert isinstance(space, Box)
    array = action.numpy()
    if space.dtype == np.float32:
        return array
    # bounds that are no float32 numbers: rounding may have stepped over them
    return np.clip(array.astype(space.dtype), space.low, space.high)


@contextmanager
def _mujoco_warns_through_python() -> Iterator[None]:
    """Show what MuJoCo says of a model once, and leave no MUJOCO_LOG.TXT in the working folder."""
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda text: warnings.warn(text.strip(), stacklevel=2))
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(before)


def _check_spaces(env_id: str, env: gymnasium.Env[Any, Any]) -> None:
    obs, action = env.observation_space, env.action_space
    if not isinstance(obs, Box) or len(obs.shape) != 1 or obs.shape[0] == 0:
        raise ValueError(f"{env_id}: observation space must be a 1-D Box, got {obs}")
    if not isinstance(action, Box) or len(action.shape) != 1 or action.shape[0] == 0:
        raise ValueError(f"{env_id}: action space must be a 1-D Box, got {action}")
    low, high = action.low.astype(np.float32), action.high.astype(np.float32)
    if not np.issubdtype(action.dtype, np.floating):
        raise ValueError(f"{env_id}: action space must be of floats, got {action}")
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ValueError(f"{env_id}: action space must have finite bounds, got {action}")
    if not (low < high).all():
        raise ValueError(f"{env_id}: action bounds must have low < high, got {action}")
