"""How a policy acts: in C++ where csrc/policy computes it, else through torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from td7.policy.eager import EagerPolicy
from td7.policy.module import PolicyModule
from td7.policy.native import NativePolicy


class Acting(Protocol):
    """Maps observations [n, S] to actions [n, A]; an action has the same bits in any batch."""

    obs_size: int
    action_size: int

    def load(self, weights: PolicyModule | Mapping[str, Tensor]) -> None:
        """Take over other weights of the same sizes."""

    def normalised(self, obs: ArrayLike) -> NDArray[np.float32]:
        """Return the actions [n, A] in [-1, 1] for obs [n, S]."""

    def to_env(self, action: ArrayLike) -> NDArray[np.float32]:
        """Return actions [n, A] in [-1, 1] in the environment's units, within its bounds."""

    def __call__(self, obs: ArrayLike) -> NDArray[np.float32]:
        """Return the environment's actions [n, A] for obs [n, S]."""


def acts_in_cpp(parts: Iterable[str]) -> bool:
    """Whether csrc/policy computes a policy of these parts, such as encoder and actor."""
    return set(parts) == {"encoder", "actor"}


def make_acting(policy: PolicyModule) -> Acting:
    """Return the policy as it collects and is evaluated."""
    return NativePolicy(policy) if acts_in_cpp(policy.parts) else EagerPolicy(policy)
