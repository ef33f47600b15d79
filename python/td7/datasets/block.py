"""A stretch of a data set as its file holds it, and the checks it must pass before it is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

Fault = tuple[int, str]  # the row, and what is wrong there
ROUNDING = 1e-5  # of half an action's range, by which an action may lie outside its bounds


@dataclass(frozen=True)
class Block:
    """T transitions in the data set's order and units; arrays of any real type."""

    obs: NDArray[Any]  # [T, S]
    action: NDArray[Any]  # [T, A], in the environment's units
    reward: NDArray[Any]  # [T]
    next_obs: NDArray[Any]  # [T, S]
    terminated: NDArray[Any]  # [T]: only these end a bootstrap
    truncated: NDArray[Any]  # [T]
    first: int  # number of the first transition in the data set
    where: str = ""  # of the first one, for errors: "episode 7"
    kept: NDArray[np.bool_] | None = None  # [T]: rows to be learned from, all by default
    follows: bool = True  # next_obs are the observations of the next rows
    flags: tuple[str, str] = ("terminations", "truncations")  # as the data set calls them

    def __len__(self) -> int:
        return len(self.reward)


def check_block(block: Block, name: str, observation_space: Box, action_space: Box) -> None:
    """Raise ValueError, naming data set, first offending transition, array, wanted and given."""
    length, (terminations, truncations) = len(block), block.flags
    arrays = {
        "observations": (block.obs, (length, *observation_space.shape)),
        "actions": (block.action, (length, *action_space.shape)),
        "rewards": (block.reward, (length,)),
        "next_observations": (block.next_obs, (length, *observation_space.shape)),
        terminations: (block.terminated, (length,)),
        truncations: (block.truncated, (length,)),
    }
    for array, (values, wanted) in arrays.items():
        if values.shape != wanted or values.dtype.kind not in "fiub":
            given = f"{values.dtype} {list(values.shape)}"
            wanted_text = f"real numbers {list(wanted)} to fit the environment"
            _refuse(block, name, 0, f"{array} must be {wanted_text}, got {given}")
    faults = [
        *(_not_finite(block, array, values) for array, (values, _) in list(arrays.items())[:4]),
        *(_no_flag(array, values) for array, (values, _) in list(arrays.items())[4:]),
        _out_of_bounds(block.action, action_space),
    ]
    found = [fault for fault in faults if fault is not None]
    if found:
        _refuse(block, name, *min(found, key=lambda fault: fault[0]))


def _not_finite(block: Block, array: str, values: NDArray[Any]) -> Fault | None:
    with np.errstate(over="ignore"):
        wrong = ~np.isfinite(values.astype(np.float32))
    if not wrong.any():
        return None
    row, *column = np.argwhere(wrong)[0].tolist()
    where, value = f" in column {column[0]}" if column else "", values[(row, *column)]
    if array == "next_observations" and block.follows:  # the next row's observation
        row, array = row + 1, "observations"
    return row, f"{array} must be finite float32, got {value}{where}"


def _no_flag(array: str, values: NDArray[Any]) -> Fault | None:
    rows = np.flatnonzero((values != 0) & (values != 1)).tolist()
    return (rows[0], f"{array} must be 0 or 1, got {values[rows[0]]}") if rows else None


def _out_of_bounds(action: NDArray[Any], space: Box) -> Fault | None:
    low, high = (bound.astype(np.float64) for bound in (space.low, space.high))
    rounding = ROUNDING * (high - low) / 2
    outside = (action < low - rounding) | (action > high + rounding)
    if not outside.any():
        return None
    row, column = np.argwhere(outside)[0].tolist()
    return row, (
        f"actions must be in the environment's bounds [{low[column]:g}, {high[column]:g}], "
        f"got {action[row, column]} in column {column}"
    )


def _refuse(block: Block, name: str, row: int, reason: str) -> None:
    step = f" ({block.where}, step {row})" if block.where else ""
    raise ValueError(f"data set {name}: transition {block.first + row}{step}: {reason}")
