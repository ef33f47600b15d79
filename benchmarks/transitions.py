"""What the replay benchmarks store: cases, and random episodes of 1000 steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

BATCH = 256
ALPHA = 0.4
STEPS = 1000
SIZES = {"halfcheetah": (17, 6), "humanoid": (348, 17)}  # numbers of an observation, of an action


@dataclass(frozen=True)
class Case:
    """A full buffer of one environment's sizes."""

    environment: str
    capacity: int

    @classmethod
    def parse(cls, text: str) -> Case:
        """Read ENVIRONMENT/CAPACITY; the capacity must hold whole episodes."""
        environment, _, capacity = text.partition("/")
        if environment not in SIZES or not capacity.isdigit():
            raise ValueError(f"a case must be one of {', '.join(SIZES)}/CAPACITY, got {text!r}")
        if int(capacity) == 0 or int(capacity) % STEPS:
            raise ValueError(f"a case's capacity must be a multiple of {STEPS}, got {text!r}")
        return cls(environment, int(capacity))

    @property
    def obs_size(self) -> int:
        """Numbers of an observation."""
        return SIZES[self.environment][0]

    @property
    def action_size(self) -> int:
        """Numbers of an action."""
        return SIZES[self.environment][1]

    def __str__(self) -> str:
        return f"{self.environment}/{self.capacity}"


@dataclass(frozen=True)
class Episode:
    """1000 steps that a time limit ends, as arrays of the shapes that every buffer wants."""

    obs: Float32  # [T, S]
    action: Float32  # [T, A]
    reward: Float32  # [T]
    next_obs: Float32  # [T, S]
    terminated: NDArray[np.bool_]  # [T]
    truncated: NDArray[np.bool_]  # [T]
    all_obs: Float32  # [T + 1, S], of which obs and next_obs are views

    @classmethod
    def random(cls, case: Case, rng: np.random.Generator) -> Episode:
        """Draw one."""
        all_obs = rng.standard_normal((STEPS + 1, case.obs_size), np.float32)
        truncated = np.zeros(STEPS, np.bool_)
        truncated[-1] = True
        return cls(
            obs=all_obs[:-1],
            action=rng.uniform(-1, 1, (STEPS, case.action_size)).astype(np.float32),
            reward=rng.standard_normal(STEPS, np.float32),
            next_obs=all_obs[1:],
            terminated=np.zeros(STEPS, np.bool_),
            truncated=truncated,
            all_obs=all_obs,
        )

    def transitions(self) -> list[tuple[object, ...]]:
        """Return the arguments of each step's `add`: views and Python numbers, made beforehand."""
        columns = (self.reward.tolist(), self.terminated.tolist(), self.truncated.tolist())
        steps = zip(self.obs, self.action, self.next_obs, *columns, strict=True)
        return [
            (obs, action, reward, next_obs, terminated, truncated)
            for obs, action, next_obs, reward, terminated, truncated in steps
        ]


def td_errors(count: int, rng: np.random.Generator) -> Float32:
    """Draw absolute TD errors as spread as those of training."""
    return np.abs(rng.standard_normal(count, np.float32)) * np.float32(3)
