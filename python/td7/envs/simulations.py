"""Simulations that are reset and stepped when asked: a task's, or any Gymnasium environment's."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

Stepped = tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]


class Simulations(Protocol):
    """A number of simulations of one environment, each with its own generator.

    Shape letters: n simulations of a call, S observation, A action.
    """

    @property
    def observation_space(self) -> Box:
        """Of one simulation."""

    @property
    def action_space(self) -> Box:
        """Of one simulation."""

    @property
    def max_episode_steps(self) -> int | None:
        """Steps after which an episode is cut, None if never."""

    @property
    def seed_bits(self) -> int:
        """Seeds of `reset` must be below 2^seed_bits."""

    def reset(
        self, sims: NDArray[np.int64], seeds: Sequence[int | None] | None = None
    ) -> NDArray[Any]:
        """Start an episode in each of sims [n] and return the observations [n, S].

        A seed starts the simulation's generator anew; None goes on with its stream.
        """

    def step(self, sims: NDArray[np.int64], actions: NDArray[np.float32]) -> Stepped:
        """Step sims [n] with actions [n, A] in the environment's units.

        Returns obs [n, S], reward [n], terminated [n], truncated [n].
        """

    def generator_states(self, sims: NDArray[np.int64]) -> list[dict[str, Any]]:
        """Return the states of generators [n]: of numpy's PCG64, or empty where it is another."""

    def restore_generators(self, states: Sequence[dict[str, Any]], sims: NDArray[np.int64]) -> None:
        """Put generators' states back; an empty one leaves the generator as it is."""

    def close(self) -> None:
        """Release what the simulations hold."""


def of_simulation(error: RuntimeError, sim: int) -> RuntimeError:
    """Return the error with the number of the simulation that failed, for `failed_simulation`."""
    vars(error)["sim"] = int(sim)
    return error


def failed_simulation(error: RuntimeError) -> int | None:
    """Return the number of the simulation that an error is of, None where it does not know it."""
    sim: int | None = vars(error).get("sim")
    return sim


def place(error: BaseException) -> str:
    """Return `file.py, line 12`: the last line of an error's traceback outside of packages."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames[1:] if "site-packages" not in frame.filename]
    last = (own or frames)[-1]
    return f"{Path(last.filename).name}, line {last.lineno}"
