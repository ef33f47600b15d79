"""A stretch of a data set as its file holds it, and the checks it must pass before it is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

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

    def __len__(self) -> int:
        return len(self.reward)


def check_block(block: Block, name: str, observation_space: Box, action_space: Box) -> None:
    """Raise ValueError, naming data set, array and first offending transition."""
    length = len(block)
    shapes = {
        "observations": (block.obs, (length, *observation_space.shape)),
        "actions": (block.action, (length, *action_space.shape)),
        "rewards": (block.reward, (length,)),
        "next_observations": (block.next_obs, (length, *observation_space.shape)),
        "terminations": (block.terminated, (length,)),
        "truncations": (block.truncated, (length,)),
    }
    for array, (values, wanted) in shapes.items():
        if values.shape != wanted or values.dtype.kind not in "fiub":
            refuse(
                block,
                0,
                name,
                f"{array} must be real numbers {list(wanted)}, "
                f"got {values.dtype} {list(values.shape)}",
            )
    for array in ("observations", "actions", "rewards", "next_observations"):
        values = shapes[array][0]
        with np.errstate(over="ignore"):
            wrong = ~np.isfinite(values.astype(np.float32))
        if wrong.any():
            row, *column = np.argwhere(wrong)[0].tolist()
            where = f" in column {column[0]}" if column else ""
            value = values[(row, *column)]
            refuse(block, row, name, f"{array} must be finite float32, got {value}{where}")
    for array in ("terminations", "truncations"):
        values = shapes[array][0]
        if rows := np.flatnonzero((values != 0) & (values != 1)).tolist():
            refuse(block, rows[0], name, f"{array} must be 0 or 1, got {values[rows[0]]}")
    _check_bounds(block, name, action_space)


def _check_bounds(block: Block, name: str, space: Box) -> None:
    low, high = (bound.astype(np.float64) for bound in (space.low, space.high))
    rounding = ROUNDING * (high - low) / 2
    outside = (block.action < low - rounding) | (block.action > high + rounding)
    if outside.any():
        row, column = np.argwhere(outside)[0].tolist()
        refuse(
            block,
            row,
            name,
            f"actions must be in the environment's bounds [{low[column]:g}, {high[column]:g}], "
            f"got {block.action[row, column]} in column {column}",
        )


def refuse(block: Block, row: int, name: str, reason: str) -> None:
    """Raise the ValueError of a check, with the number of the transition."""
    step = f" ({block.where}, step {row})" if block.where else ""
    raise ValueError(f"data set {name}: transition {block.first + row}{step}: {reason}")
