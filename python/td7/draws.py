"""Draws of training: a pure function of (seed, stream name, counter), never of global state.

Counter-based (Philox4x32-10, Salmon et al., 2011), so a draw needs no history: a resumed run and a
member that trains in other company get the same numbers.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from td7.extension import core


def uniform(
    seeds: Sequence[int], stream: str, counters: Sequence[int], size: int
) -> NDArray[np.float64]:
    """Return uniform draws [P, size] in [0, 1), row p from (seeds[p], stream, counters[p])."""
    out = np.empty((len(seeds), size), np.float64)
    core.fill_uniform(seed_array(seeds), stream, _counter_array(counters), out)
    return out


def normal(
    seeds: Sequence[int], stream: str, counters: Sequence[int], size: int
) -> NDArray[np.float32]:
    """Return standard normal draws [P, size], row p from (seeds[p], stream, counters[p])."""
    out = np.empty((len(seeds), size), np.float32)
    core.fill_normal(seed_array(seeds), stream, _counter_array(counters), out)
    return out


def integer(name: str, value: int) -> int:
    """Return the value as an int; TypeError if it is none."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None


def whole_number(name: str, value: int, bits: int) -> int:
    """Return the value as an int; TypeError if it is none, ValueError unless 0 <= it < 2^bits."""
    number = integer(name, value)
    if not 0 <= number < 2**bits:
        raise ValueError(f"{name} must be from 0 to 2^{bits} - 1, got {number}")
    return number


def seed_array(seeds: Sequence[int]) -> NDArray[np.uint64]:
    """Return seeds as an array uint64 [P]; errors as of whole_number."""
    return np.array([whole_number(f"seeds[{p}]", s, 64) for p, s in enumerate(seeds)], np.uint64)


def _counter_array(counters: Sequence[int]) -> NDArray[np.int64]:
    return np.array(
        [whole_number(f"counters[{p}]", c, 63) for p, c in enumerate(counters)], np.int64
    )
