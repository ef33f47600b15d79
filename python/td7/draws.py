"""Draws of training: a pure function of (seed, stream name, counter), never of global state.

Counter-based (Philox4x32-10, Salmon et al., 2011), so a draw needs no history: a resumed run and a
member that trains in other company get the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from td7.extension import core


def uniform(
    seeds: Sequence[int], stream: str, counters: Sequence[int], size: int
) -> NDArray[np.float64]:
    """Return uniform draws [P, size] in [0, 1), row p from (seeds[p], stream, counters[p])."""
    out = np.empty((len(seeds), size), np.float64)
    core.fill_uniform(np.array(seeds, np.uint64), stream, np.array(counters, np.int64), out)
    return out


def normal(
    seeds: Sequence[int], stream: str, counters: Sequence[int], size: int
) -> NDArray[np.float32]:
    """Return standard normal draws [P, size], row p from (seeds[p], stream, counters[p])."""
    out = np.empty((len(seeds), size), np.float32)
    core.fill_normal(np.array(seeds, np.uint64), stream, np.array(counters, np.int64), out)
    return out
