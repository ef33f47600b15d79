"""What the benchmark calls on a replay buffer."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.transitions import BATCH, STEPS, Case, Episode, td_errors

CYCLE_METRICS = ("cycle_us", "sample_us", "update_us")
ADD_METRICS = ("add_us", "bulk_add_us")


class Sampled(NamedTuple):
    """A batch as torch tensors on the CPU, and what `update` takes back."""

    obs: torch.Tensor
    action: torch.Tensor
    reward: torch.Tensor
    next_obs: torch.Tensor
    ended: torch.Tensor  # terminated or not_terminated, whichever the implementation keeps
    index: Any


class Subject:
    """One full buffer under test; each call is the implementation's own fastest documented way."""

    name: str
    packages: tuple[str, ...] = ()  # whose versions the results name
    metrics: tuple[str, ...] = CYCLE_METRICS + ADD_METRICS
    number_bytes = 4
    error_shape: tuple[int, ...] = (BATCH,)

    def sample(self) -> Sampled:
        """Draw a batch."""
        raise NotImplementedError

    def update(self, index: Any, errors: torch.Tensor) -> None:
        """Set the priorities of drawn transitions from absolute TD errors."""
        raise NotImplementedError

    def add(
        self,
        obs: Any,
        action: Any,
        reward: float,
        next_obs: Any,
        terminated: bool,
        truncated: bool,
    ) -> object:
        """Add one transition as an environment gives it."""
        raise NotImplementedError

    def bulk(self, episode: Episode) -> Any:
        """Bring an episode into the form that `add_bulk` takes; this is not timed."""
        return episode

    def add_bulk(self, episode: Any) -> object:
        """Add an episode in one call."""
        raise NotImplementedError

    def fill(self, start: int, episode: Episode) -> None:
        """Add an episode, the rows from `start` on, by any way that is quick."""
        self.add_bulk(self.bulk(episode))

    def spread_priorities(self, capacity: int, rng: np.random.Generator) -> None:
        """Give all transitions priorities as spread as those of training."""
        for start in range(0, capacity, STEPS):
            errors = torch.from_numpy(td_errors(STEPS, rng))
            self.update(np.arange(start, start + STEPS), errors)

    def begin_round(self) -> None:
        """Prepare for being timed after another subject was; this is not timed."""

    def nbytes(self) -> int | None:
        """Bytes held as the buffer itself counts them; None to have the process's growth taken."""
        return None


def expected_bytes(case: Case, number_bytes: int = 4) -> int:
    """Bound what a buffer takes: two observations a transition, trees and bookkeeping."""
    numbers = 2 * case.obs_size + case.action_size + 3
    return case.capacity * (numbers * number_bytes + 100)
