"""EnvPool: 64 environments in its own thread pool, 16 of them in a batch; it brings its MuJoCo."""

from __future__ import annotations

import envpool
import numpy as np

from benchmarks.rollouts.peer import Peer, RandomActions
from benchmarks.rollouts.policies import onnxruntime_act
from td7.policy.module import PolicyModule

NUM_ENVS, BATCH = 64, 16


class EnvPoolAsync(Peer):
    """Its asynchronous mode, the quickest: whichever environments are ready are acted on."""

    packages = ("envpool", "onnxruntime")

    def __init__(self, env: str, policy: PolicyModule | None, num_threads: int) -> None:
        self.name = "envpool" if policy is None else "envpool + onnxruntime"
        self.case = "env/all" if policy is None else "policy/all"
        sizes = {"num_envs": NUM_ENVS, "batch_size": BATCH, "num_threads": num_threads}
        self.envs = envpool.make_gymnasium(env, **sizes)
        self.act = (
            onnxruntime_act(policy) if policy else RandomActions(self.envs.action_space, BATCH)
        )
        self.envs.async_reset()

    def step(self) -> int:
        obs, *_, info = self.envs.recv()
        action = self.act(np.ascontiguousarray(obs, np.float32))
        self.envs.send(action, info["env_id"])
        return BATCH

    def close(self) -> None:
        self.envs.close()
