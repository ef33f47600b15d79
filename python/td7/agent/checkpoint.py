"""Policy checkpoints: when an assessment ends and whether its policy becomes the checkpoint.

Pure bookkeeping: numbers in, a decision out, no torch.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass


class Decision(enum.Enum):
    """What an assessment's latest episode means."""

    CONTINUE = "continue"  # the assessment goes on
    REJECT = "reject"  # the policy fell below the checkpoint: train now
    ACCEPT = "accept"  # the policy becomes the checkpoint, then train


@dataclass
class CheckpointRule:
    """The minimum return over an assessment decides; the debt is its number of steps."""

    max_episodes: int
    late_max_episodes: int
    late_after_updates: int
    reset_weight: float
    best_min_return: float = -math.inf
    min_return: float = math.inf
    episodes: int = 0
    debt: int = 0
    switched: bool = False

    def add_episode(self, episode_return: float, length: int) -> Decision:
        """Count one whole episode of the policy under assessment."""
        if not math.isfinite(episode_return):
            raise ValueError(f"episode_return must be finite, got {episode_return}")
        self.episodes += 1
        self.debt += length
        self.min_return = min(self.min_return, episode_return)
        if self.min_return < self.best_min_return:
            return Decision.REJECT
        if self.episodes < self.max_episodes:
            return Decision.CONTINUE
        self.best_min_return = self.min_return
        return Decision.ACCEPT

    @property
    def episodes_left(self) -> int:
        """Episodes that the assessment still wants."""
        return self.max_episodes - self.episodes

    def add_uncounted(self, length: int) -> None:
        """Owe updates for an episode that ran beside the one that ended the assessment."""
        self.debt += length

    def add_burst(self, updates: int) -> None:
        """Count the burst that paid the debt; `updates` is the total after it.

        The switch to long assessments happens just before update `late_after_updates` + 1, once,
        wherever in a burst that update lies. Deviation: a negative bar is lowered too; the author's
        factor of 0.9 raises it.
        """
        if not self.switched and updates > self.late_after_updates:
            self.switched = True
            self.max_episodes = self.late_max_episodes
            if math.isfinite(self.best_min_return):
                self.best_min_return -= (1 - self.reset_weight) * abs(self.best_min_return)
        self.episodes, self.debt, self.min_return = 0, 0, math.inf
