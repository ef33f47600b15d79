"""gymnasium.vector.AsyncVectorEnv: eight environments, each in a process of its own."""

from __future__ import annotations

import gymnasium

from benchmarks.rollouts.peer import Peer, RandomActions
from td7.policy.module import PolicyModule

NUM_ENVS = 8


class GymnasiumAsync(Peer):
    """Random actions alone: with a policy it is slower still."""

    packages = ("gymnasium",)
    name = f"gymnasium AsyncVectorEnv({NUM_ENVS})"
    case = "env/all"

    def __init__(self, env: str, policy: PolicyModule | None, num_threads: int) -> None:
        self.envs = gymnasium.make_vec(env, NUM_ENVS, vectorization_mode="async")
        self.act = RandomActions(self.envs.single_action_space, NUM_ENVS)
        self.envs.reset(seed=0)

    def step(self) -> int:
        self.envs.step(self.act(None))
        return NUM_ENVS

    def close(self) -> None:
        self.envs.close()
