"""Calls a task's hooks, and checks what they return: an error names the hook and the line."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from td7.envs.gymnasium import SimulationError
from td7.envs.simulations import of_simulation, place
from td7.envs.task.definition import Sims, Task
from td7.envs.task.random import SimulationRandom


def call(task: Task, hook: str, *args: Any) -> Any:
    """Call a hook; whatever it raises becomes a RuntimeError that names hook, file and line."""
    try:
        return getattr(task, hook)(*args)
    except Exception as error:
        raise RuntimeError(
            f"{_name(task, hook)} raised {type(error).__name__}: {error} ({place(error)})"
        ) from error


def write(task: Task, hook: str, sims: Sims, random: SimulationRandom) -> None:
    """Call a hook that is to write `sims` alone; undo and refuse what it wrote of others."""
    others = np.ones(task.num_sims, bool)
    others[sims] = False
    arrays = {"the state": task._batch.state} if others.any() else {}
    if arrays:
        arrays |= {name: task._batch.expand(name) for name in task._own_values}
    before = {what: array[others] for what, array in arrays.items()}
    call(task, hook, sims, random)
    for what, array in arrays.items():
        now, then = array[others], before[what]
        same = (now == then) | (np.isnan(now) & np.isnan(then))
        if not same.all():
            sim = np.flatnonzero(others)[np.argwhere(~same)[0][0]]
            array[others] = then
            raise ValueError(
                f"{_name(task, hook)} wrote {what} of simulation {sim}, which is not among its "
                "sims: write rows, field[sims] = ..."
            )


def reward(task: Task, action: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the task's rewards [N], checked."""
    return _numbers(task, "reward", call(task, "reward", action), (task.num_sims,))


def observe(task: Task, size: int | None) -> NDArray[np.float64]:
    """Return the task's observations [N, S], checked; any S of at least 1 where size is None."""
    return _numbers(task, "observe", call(task, "observe"), (task.num_sims, size))


def terminated(task: Task) -> NDArray[np.bool_]:
    """Return the task's terminations [N], checked to be booleans."""
    value = call(task, "terminated")
    wanted = (task.num_sims,)
    if not isinstance(value, np.ndarray) or value.dtype != bool or value.shape != wanted:
        raise ValueError(
            f"{_name(task, 'terminated')} must return {_shape(wanted)} booleans, got {_got(value)}"
        )
    return value


def check_finite(
    task: Task, hook: str, rows: NDArray[np.float64], sims: Sims, steps: NDArray[np.int64]
) -> None:
    """Raise SimulationError, naming simulation and step, unless rows [n] or [n, S] are finite."""
    finite = np.isfinite(rows)
    if finite.all():
        return
    first = tuple(np.argwhere(~finite)[0])
    entry = ""
    if len(first) == 2:
        named = f" ({task.obs_names[first[1]]})" if task.obs_names else ""
        entry = f" in entry {first[1]}{named}"
    text = (
        f"{_name(task, hook)} must return finite numbers, got {rows[first]}{entry} "
        f"in simulation {sims[first[0]]} at step {steps[first[0]]}"
    )
    raise of_simulation(SimulationError(text), sims[first[0]])


def _numbers(
    task: Task, hook: str, value: Any, wanted: tuple[int | None, ...]
) -> NDArray[np.float64]:
    right = (
        isinstance(value, np.ndarray)
        and value.dtype.kind in "fiub"
        and len(value.shape) == len(wanted)
        and all(want in (None, have) for want, have in zip(wanted, value.shape, strict=True))
        and (value.ndim == 1 or value.shape[1] > 0)
    )
    if not right:
        raise ValueError(
            f"{_name(task, hook)} must return {_shape(wanted)} numbers, got {_got(value)}"
        )
    return value.astype(np.float64)


def _name(task: Task, hook: str) -> str:
    return f"{type(task).__name__}.{hook}"


def _shape(shape: tuple[int | None, ...]) -> str:
    return f"[{', '.join('S' if size is None else str(size) for size in shape)}]"


def _got(value: Any) -> str:
    if isinstance(value, np.ndarray):
        kind = "" if value.dtype.kind in "fiu" else f" of {value.dtype}"
        return f"{_shape(value.shape)}{kind}"
    return "None" if value is None else f"{type(value).__name__} {value!r}"
