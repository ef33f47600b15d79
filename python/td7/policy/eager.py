"""A policy that acts through torch, for those that csrc/policy does not compute."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from td7.policy.module import PolicyModule
from td7.torch_settings import policy_settings


class EagerPolicy:
    """Maps observations [n, S] to actions [n, A], as NativePolicy does.

    Rows are computed one by one, so that an action has the same bits whatever batch it is in.
    """

    def __init__(self, module: PolicyModule) -> None:
        self.module = module
        self.obs_size, self.action_size = module.obs_size, module.action_size

    def load(self, weights: PolicyModule | Mapping[str, Tensor]) -> None:
        """Take over other weights of the same sizes; RuntimeError names an entry that differs."""
        entries = weights.state_dict() if isinstance(weights, PolicyModule) else weights
        self.module.load_state_dict(entries)

    def normalised(self, obs: ArrayLike) -> NDArray[np.float32]:
        """Return the actions [n, A] in [-1, 1] for obs [n, S]."""
        rows = torch.from_numpy(np.ascontiguousarray(obs, np.float32))
        with policy_settings(), torch.inference_mode():
            return torch.cat([self.module.normalised(row) for row in rows.split(1)]).numpy()

    def to_env(self, action: ArrayLike) -> NDArray[np.float32]:
        """Return actions [n, A] in [-1, 1] in the environment's units, within its bounds."""
        rows = torch.from_numpy(np.ascontiguousarray(action, np.float32))
        with policy_settings(), torch.inference_mode():
            return self.module.to_env(rows).numpy()

    def __call__(self, obs: ArrayLike) -> NDArray[np.float32]:
        """Return the environment's actions [n, A] for obs [n, S]."""
        return self.to_env(self.normalised(obs))
