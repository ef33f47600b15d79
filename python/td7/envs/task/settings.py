"""Checks a task's settings, and names its observations and actions."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Sequence

from td7.envs.controls import controls
from td7.envs.task.definition import Task


def check_settings(task: Task) -> None:
    """Refuse a frame_skip, max_episode_steps or action_delay that cannot be, naming it.

    Warns of a name that seems to be a hook's or setting's, misspelt.
    """
    name = type(task).__name__
    for setting in ("frame_skip", "max_episode_steps"):
        value = getattr(task, setting)
        if not _is_count(value, 1):
            raise ValueError(f"{name}.{setting} must be an integer of at least 1, got {value!r}")
    delay = task.action_delay
    right = isinstance(delay, tuple) and len(delay) == 2 and all(_is_count(d, 0) for d in delay)
    if not right or delay[0] > delay[1]:
        raise ValueError(
            f"{name}.action_delay must be two integers 0 <= low <= high (control steps), "
            f"got {delay!r}"
        )
    known = [each for each in {**Task.__annotations__, **vars(Task)} if not each.startswith("_")]
    for each in vars(type(task)):
        near = difflib.get_close_matches(each, known, n=1, cutoff=0.85)
        if near and each not in known:
            text = f"{name}.{each} is never called or read: did you mean {near[0]}?"
            warnings.warn(text, stacklevel=4)


def name_entries(task: Task, obs_size: int, action_size: int) -> None:
    """Fill in the names of actions, and refuse names or units that are not one an entry."""
    if not task.action_names:
        task.action_names = [control.name for control in controls(task.mj_model)]
    for setting, size in {
        "obs_names": obs_size,
        "obs_units": obs_size,
        "action_names": action_size,
        "action_units": action_size,
    }.items():
        value: Sequence[str] = getattr(task, setting)
        if isinstance(value, str) or len(value) not in (0, size):
            raise ValueError(
                f"{type(task).__name__}.{setting} must be {size} strings, got {value!r}"
            )


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
