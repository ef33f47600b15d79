"""gymnasium.make: one environment, stepped in a Python loop; with a policy, torch."""

from __future__ import annotations

import gymnasium
import numpy as np

from benchmarks.rollouts.peer import Peer, RandomActions
from benchmarks.rollouts.policies import torch_act
from td7.policy.module import PolicyModule


class GymnasiumSingle(Peer):
    """The loop of most implementations."""

    packages = ("gymnasium",)

    def __init__(self, env: str, policy: PolicyModule | None, num_threads: int) -> None:
        self.name = "gymnasium" if policy is None else "gymnasium + torch"
        self.case = "env/1t" if policy is None else "policy/1t"
        self.env = gymnasium.make(env)
        self.act = torch_act(policy) if policy else RandomActions(self.env.action_space, 1)
        self.obs, _ = self.env.reset(seed=0)

    def step(self) -> int:
        action = self.act(self.obs[None].astype(np.float32))[0]
        self.obs, _, terminated, truncated, _ = self.env.step(action)
        if terminated or truncated:
            self.obs, _ = self.env.reset()
        return 1

    def close(self) -> None:
        self.env.close()
