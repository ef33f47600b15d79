"""The policy of `td7.policy.saved` in C++ (csrc/policy), without torch in the call.

Equal to the module within float32 rounding; an observation's action has the same bits whatever
batch it is in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from td7.extension import core
from td7.policy.module import PolicyModule, SalePolicy, policy_module

Precision = Literal["float32", "bfloat16"]


class NativePolicy:
    """Maps observations [n, S] to actions [n, A], for any number of threads at once.

    `precision="bfloat16"` rounds the weights, and only them: half the memory to read in each call,
    and actions in [-1, 1] that differ by some thousandths. NaN in an observation gives NaN in its
    action. `core` is the C++ object, for the engine.
    """

    def __init__(
        self, weights: PolicyModule | Mapping[str, Tensor], precision: Precision = "float32"
    ) -> None:
        module = weights if isinstance(weights, PolicyModule) else policy_module(weights)
        if not isinstance(module, SalePolicy):
            raise ValueError("weights must be of an encoder and an actor, got an actor alone")
        entries = module.state_dict()
        self.obs_size, self.action_size = module.obs_size, module.action_size
        self.embedding_size = module.embedding_size
        hidden = len(entries["encoder.zs1.bias"]), len(entries["actor.l0.bias"])
        self.core = core.Policy(
            self.obs_size, self.action_size, self.embedding_size, *hidden, precision
        )
        self.load(entries)

    def load(self, weights: PolicyModule | Mapping[str, Tensor]) -> None:
        """Take over other weights of the same sizes; no other thread may use the policy meanwhile.

        Raises ValueError, naming the entry, for a missing one or another size.
        """
        entries = weights.state_dict() if isinstance(weights, PolicyModule) else weights
        self.core.load({name: _float32(value) for name, value in entries.items()})

    def normalised(self, obs: ArrayLike) -> NDArray[np.float32]:
        """Return the actions [n, A] in [-1, 1] for obs [n, S]."""
        rows = np.ascontiguousarray(obs, np.float32)
        out = np.empty((len(rows), self.action_size), np.float32)
        self.core.normalised(rows, out)
        return out

    def to_env(self, action: ArrayLike) -> NDArray[np.float32]:
        """Return actions [n, A] in [-1, 1] in the environment's units, within its bounds."""
        rows = np.ascontiguousarray(action, np.float32)
        out = np.empty_like(rows)
        self.core.to_env(rows, out)
        return out

    def zs(self, obs: ArrayLike) -> NDArray[np.float32]:
        """Return the embeddings [n, Z] of obs [n, S]."""
        rows = np.ascontiguousarray(obs, np.float32)
        out = np.empty((len(rows), self.embedding_size), np.float32)
        self.core.zs(rows, out)
        return out

    def __call__(self, obs: ArrayLike) -> NDArray[np.float32]:
        """Return the environment's actions [n, A] for obs [n, S]."""
        rows = np.ascontiguousarray(obs, np.float32)
        out = np.empty((len(rows), self.action_size), np.float32)
        self.core.act(rows, out)
        return out


def _float32(value: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(value.detach().cpu().numpy(), np.float32)
