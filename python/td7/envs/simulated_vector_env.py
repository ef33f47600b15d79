"""What the vector environments over simulations share: they hold no Gymnasium environments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from gymnasium.error import ClosedEnvironmentError
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

Observations = NDArray[np.float64]


class SimulatedVectorEnv(VectorEnv[Observations, NDArray[Any], NDArray[Any]]):
    """Attributes of the simulations by name, `len`, `with`, and the error after `close`.

    Every method but close raises ClosedEnvironmentError after it.
    """

    _own_attributes: Sequence[str] = ("np_random", "np_random_seed")

    def __len__(self) -> int:
        """Return the number of simulations."""
        return self.num_envs

    def __enter__(self) -> Self:
        """Return the vector environment, which the end of the block closes."""
        return self

    def __exit__(self, *args: object) -> None:
        """Close the vector environment."""
        self.close()

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return render's frames or an attribute of every simulation, as SyncVectorEnv.call does.

        Raises AttributeError for another method: there is no environment that has it.
        """
        self._expect_open()
        if name == "render":
            return tuple(self.render(*args, **kwargs) or ())
        if args or kwargs:
            raise AttributeError(self._lacks(name))
        return self.get_attr(name)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute of every simulation; AttributeError names those that there are."""
        self._expect_open()
        if name in self._own_attributes:
            return tuple(getattr(self, name))
        return (self._shared_attribute(name),) * self.num_envs

    def _shared_attribute(self, name: str) -> Any:
        """Return what all simulations have alike; raise AttributeError if there is none."""
        raise NotImplementedError

    def _lacks(self, name: str) -> str:
        """Return the message of an attribute that is missing."""
        raise NotImplementedError

    def _expect_open(self) -> None:
        if self.closed:
            raise ClosedEnvironmentError("the vector environment is closed: make it again")
