"""What the benchmark calls on another way of stepping the same environments."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

DRAWN = 1000  # actions of a simulation that random behaviour repeats: drawing them is not timed


class Peer:
    """An open peer: an environment, stepped by random actions or by a policy without noise."""

    name: str
    case: str  # env/1t: random actions, one thread; policy/all: a policy, all processors
    packages: tuple[str, ...] = ()  # whose versions the results name

    def step(self) -> int:
        """Choose actions and take one step with them; returns how many environments stepped."""
        raise NotImplementedError

    def close(self) -> None:
        """Release the environments."""

    def run(self, seconds: float) -> float:
        """Step for that long and return environment steps a second."""
        steps, start = 0, time.perf_counter()
        while (wall_s := time.perf_counter() - start) < seconds:
            steps += self.step()
        return steps / wall_s


class RandomActions:
    """Actions drawn beforehand, float32 [N, A] within the bounds, one set after the other."""

    def __init__(self, action_space: Any, num_envs: int) -> None:
        rng = np.random.default_rng(0)
        low, high = action_space.low, action_space.high
        shape = DRAWN, num_envs, len(low)
        self.actions = rng.uniform(low, high, shape).astype(np.float32)
        self.taken = 0

    def __call__(self, obs: object) -> NDArray[np.float32]:
        self.taken += 1
        return self.actions[self.taken % DRAWN]
