"""Random numbers of a task: every simulation draws from a generator of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = int | tuple[int, ...] | None
Numbers = float | Sequence[float] | NDArray[np.float64]


class SimulationRandom:
    """Draws for n simulations, one row each, and each row from that simulation's own generator.

    So what a simulation draws does not depend on which others are reset beside it. `shape` is that
    of one simulation's draw: `uniform(-1, 1, 3)` is [n, 3], `uniform(-1, 1)` is [n].
    """

    def __init__(self, generators: Sequence[np.random.Generator]) -> None:
        self._generators = generators

    def __len__(self) -> int:
        return len(self._generators)

    def uniform(
        self, low: Numbers = 0.0, high: Numbers = 1.0, shape: Shape = None
    ) -> NDArray[np.float64]:
        """Return [n, *shape] numbers, uniform in [low, high)."""
        return self.each(lambda generator: generator.uniform(low, high, shape))

    def normal(
        self, mean: Numbers = 0.0, std: Numbers = 1.0, shape: Shape = None
    ) -> NDArray[np.float64]:
        """Return [n, *shape] normal numbers."""
        return self.each(lambda generator: generator.normal(mean, std, shape))

    def integers(self, low: int, high: int, shape: Shape = None) -> NDArray[np.int64]:
        """Return [n, *shape] integers in [low, high): as in numpy, high is left out."""
        return self.each(lambda generator: generator.integers(low, high, shape))

    def each(self, draw: Callable[[np.random.Generator], Any]) -> NDArray[Any]:
        """Return draw(generator) of every simulation, stacked: for any other distribution."""
        return np.array([draw(generator) for generator in self._generators])


class SimulationGenerators:
    """The PCG64 generators of num_sims simulations, seeded by the system until given a seed."""

    def __init__(self, num_sims: int) -> None:
        sequences = [np.random.SeedSequence() for _ in range(num_sims)]
        self._seeds: list[Any] = [sequence.entropy for sequence in sequences]
        self._generators = [np.random.default_rng(sequence) for sequence in sequences]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of every generator; -1 of one that was restored, as of Gymnasium's np_random."""
        return tuple(self._seeds)

    def seed(self, sims: NDArray[np.int64], seeds: Sequence[int | None]) -> None:
        """Start the generators of `sims` anew; one whose seed is None goes on with its stream."""
        if len(seeds) != len(sims):
            raise ValueError(f"seeds must be {len(sims)}, one a simulation, got {len(seeds)}")
        for seed in seeds:
            if seed is not None and (isinstance(seed, bool) or int(seed) != seed or seed < 0):
                raise ValueError(f"seeds must be integers of at least 0 or None, got {seed!r}")
        for sim, seed in zip(sims, seeds, strict=True):
            if seed is not None:
                # the generator that Gymnasium's np_random gives for this seed
                self._generators[sim] = np.random.Generator(np.random.PCG64(int(seed)))
                self._seeds[sim] = int(seed)

    def random(self, sims: NDArray[np.int64]) -> SimulationRandom:
        """Return what draws for these simulations, in their order."""
        return SimulationRandom([self._generators[sim] for sim in sims])

    def states(self, sims: NDArray[np.int64]) -> list[dict[str, Any]]:
        """Return the PCG64 state of each of these generators, as numpy gives it."""
        return [dict(self._generators[sim].bit_generator.state) for sim in sims]

    def restore(
        self, sims: NDArray[np.int64], states: Sequence[dict[str, Any]], known: bool = False
    ) -> None:
        """Put these generators back to states that `states` returned; all of them or none.

        Their seeds are then unknown, unless `known` says that these are earlier states of theirs.
        """
        if len(states) != len(sims):
            raise ValueError(f"states must be {len(sims)}, one a simulation, got {len(states)}")
        restored = []
        for sim, state in zip(sims, states, strict=True):
            generator = np.random.Generator(np.random.PCG64(0))
            try:
                generator.bit_generator.state = state
            except (TypeError, ValueError, KeyError, OverflowError) as error:
                raise ValueError(
                    f"states must be of PCG64, got {state!r} for simulation {sim}"
                ) from error
            restored.append(generator)
        for sim, generator in zip(sims, restored, strict=True):
            self._generators[sim] = generator
            if not known:
                self._seeds[sim] = -1
