"""What is timed: updates of a learner whose replay is full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from benchmarks.transitions import BATCH

# Multiply-adds of an update's matrix products that any way of computing it needs, counted twice:
# forward and backward of encoder, critics and (every second time) actor, no gradient that is not
# used. H hidden and embedding units, twin critics.
H = 256


@dataclass(frozen=True)
class Size:
    """Observations and actions of an environment."""

    name: str
    env: str
    obs_size: int
    action_size: int

    @property
    def flop(self) -> float:
        """Floating-point operations of one update's matrix products, the mean over the period."""
        s, a = self.obs_size / H, self.action_size / H
        f, g = s + 2, 3 + a  # in units of one H x H layer: state encoder, state-action encoder
        critic, actor = 2 * (s + a + 4 + 1 / H), s + 3 + a
        encoder = 2 * f + g + (g + 3) + (f + 2)  # f twice, g; gradients of weights and inputs
        target = f + g + actor + critic
        head = 2 / H  # of q3's input, in both critics
        fit = f + g + 2 * critic + (head + 4)  # inputs: of q2, and of q1's hidden part
        improve = actor + g + critic + (head + 6 + 2 * a) + (2 + a) + (actor + 2 + a)
        return 2 * BATCH * H * H * (encoder + target + fit + improve / 2)


SIZES = {
    "halfcheetah": Size("halfcheetah", "HalfCheetah-v5", 17, 6),
    "humanoid": Size("humanoid", "Humanoid-v5", 348, 17),
}


class Subject(Protocol):
    """A learner with its own buffer; what it samples and prioritises is timed too."""

    name: str  # td7, author, or a package
    case: str
    size: Size
    members: int

    def run(self, count: int) -> None:
        """Make `count` updates of every member, and wait until they are made."""
