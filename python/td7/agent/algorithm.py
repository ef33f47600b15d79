"""What a learner needs of an algorithm, and nothing more.

An algorithm is constants and pure functions: which networks there are, what their gradients are,
which targets copy from what and when, and which networks act. The learner (td7.updates.learner)
holds the state and makes the steps. `td7.agent.ALGORITHMS` is the table of all algorithms.

Shape letters: P members, B batch, S obs, A action.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

Values = Mapping[str, Tensor]
ActingNetworks = Mapping[str, Mapping[str, str]]  # which policy -> its part -> network


@dataclass
class Batch:
    """Transitions on the learner's device; `not_terminated` is 0 only at a true termination."""

    obs: Tensor  # [P, B, S]
    action: Tensor  # [P, B, A], in [-1, 1]
    reward: Tensor  # [P, B]
    next_obs: Tensor  # [P, B, S]
    not_terminated: Tensor  # [P, B]


@dataclass
class CriticSide:
    """Everything of an update but the actor's step."""

    losses: dict[str, Tensor]  # [P] each; a member whose loss is not finite makes no step
    gradients: dict[str, tuple[Tensor, ...]]  # by network, in the order of its parameters
    td_error: Tensor  # [P, B]: the larger |TD error| of the two critics
    shared: tuple[Tensor, ...]  # what the actor's side needs too
    values: dict[str, Tensor]  # [P] each, replace the learner's
    metrics: dict[str, Tensor]  # [P] each


@dataclass
class ActorSide:
    """The actor's step."""

    loss: Tensor  # [P]
    gradients: tuple[Tensor, ...]  # in the order of the actor's parameters


class Algorithm(Protocol):
    """The constants and functions of an algorithm, for one configuration.

    The two sides are static functions, so that all learners share what was compiled of them.
    `networks` returns one module, whose children are the networks named here; `actor` is the one
    that the actor's side trains.
    """

    @property
    def learning_rates(self) -> Mapping[str, float]:
        """Adam's learning rate of each trained network."""

    @property
    def values(self) -> Mapping[str, float]:
        """Numbers that each member has beside its networks, as they start."""

    @property
    def targets(self) -> Sequence[tuple[str, str]]:
        """Pairs (target, source) of networks, in the order in which targets move."""

    @property
    def value_targets(self) -> Sequence[tuple[str, str]]:
        """Pairs (target, source) of values, copied when the targets move; metrics name them."""

    @property
    def target_period(self) -> int:
        """Updates between two moves of the targets."""

    @property
    def tau(self) -> float:
        """Share of the source in a moved target; 1 copies it."""

    @property
    def acting(self) -> ActingNetworks:
        """Networks that act, by part of the policy: `current`, and `checkpoint` if there is one."""

    @property
    def rules(self) -> Any:
        """Constants of the two sides."""

    @staticmethod
    def critic_side(
        nets: Any, values: Values, batch: Batch, noise: Tensor, rules: Any
    ) -> CriticSide:
        """Return all of an update but the actor's step; noise [P, B, A] is standard normal."""

    @staticmethod
    def actor_side(nets: Any, batch: Batch, shared: tuple[Tensor, ...], rules: Any) -> ActorSide:
        """Return the actor's step, which sees the critics after theirs."""

    @property
    def diagnostics(self) -> Callable[[Any, Tensor], dict[str, Tensor]] | None:
        """Metrics [P] of networks and obs [P, B, S], taken once a burst that moved the targets."""

    def networks(self, obs_size: int, action_size: int, seeds: Sequence[int]) -> nn.Module:
        """Make the networks of all members, each initialised from its own seed."""
