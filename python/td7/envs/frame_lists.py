"""Frames of every step, as Gymnasium's RenderCollection keeps them for a render mode `..._list`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

LIST = "_list"


class FrameLists:
    """A list of frames for each simulation: since its last reset, and since it was last taken."""

    def __init__(self, num_envs: int, draw: Callable[[int], Any]) -> None:
        """Take the function that returns a simulation's frame."""
        self._draw = draw
        self._frames: list[list[Any]] = [[] for _ in range(num_envs)]

    def start(self, sims: Iterable[int]) -> None:
        """Begin the lists of simulations that were reset with a frame of their first state."""
        for sim in sims:
            self._frames[sim] = [self._draw(sim)]

    def add(self, sims: Iterable[int]) -> None:
        """Add a frame of each simulation that has made a step."""
        for sim in sims:
            self._frames[sim].append(self._draw(sim))

    def take(self, sim: int) -> list[Any]:
        """Return a simulation's frames and empty its list; IndexError if it is not there."""
        if not 0 <= sim < len(self._frames):
            raise IndexError(f"sim must be in [0, {len(self._frames)}), got {sim}")
        frames, self._frames[sim] = self._frames[sim], []
        return frames
