"""Simulations that are reset and stepped when asked: a task's, or any Gymnasium environment's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

Stepped = tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]


class Simulations(Protocol):
    """A number of simulations of one environment, each with its own generator.

    Shape letters: n simulations of a call, S observation, A action.
    """

    observation_space: Box
    action_space: Box
    max_episode_steps: int | None

    def reset(self, sims: NDArray[np.int64], seeds: Sequence[int] | None) -> NDArray[Any]:
        """Start an episode in each of sims [n] and return the observations [n, S].

        A seed starts the simulation's generator anew; without, its stream goes on.
        """

    def step(self, sims: NDArray[np.int64], actions: NDArray[np.float32]) -> Stepped:
        """Step sims [n] with actions [n, A] in the environment's units.

        Returns obs [n, S], reward [n], terminated [n], truncated [n].
        """

    def generator_state(self, sim: int) -> dict[str, Any] | None:
        """Return the state of a simulation's generator, None where it is not numpy's PCG64."""

    def restore_generator(self, sim: int, state: dict[str, Any]) -> None:
        """Put a generator's state back."""

    def close(self) -> None:
        """Release what the simulations hold."""
