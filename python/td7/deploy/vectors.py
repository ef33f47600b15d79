"""A bundle's test vectors: observations of real rollouts, and some that no rollout shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from td7.deploy.bundle import graphs
from td7.envs import make_simulations
from td7.policy.saved import Policy
from td7.torch_settings import environment_settings

FROM_ROLLOUTS = 64


def make_vectors(policy: Policy, env: str) -> dict[str, Tensor]:
    """Return obs [N, S] and what each graph makes of them in eager torch."""
    seen = rollout_observations(policy, env, FROM_ROLLOUTS)
    vectors = {"obs": torch.cat([seen, extremes(seen)])}
    for graph, inputs, output in graphs(policy.module).values():
        with torch.inference_mode():
            vectors[output] = graph(*(vectors[key] for key in inputs))
    return vectors


@environment_settings()
def rollout_observations(policy: Policy, env: str, count: int) -> Tensor:
    """Return [count, S] observations of the policy's own rollouts in its environment."""
    simulations = make_simulations(env, 1)
    observations: list[Any] = []
    one, over = np.zeros(1, np.int64), True
    try:
        for step in range(10 * count):
            if over:
                obs = simulations.reset(one, [step])
            observations.append(obs[0])
            obs, _, terminated, truncated = simulations.step(one, policy(obs))
            over = bool(terminated[0] or truncated[0])
    finally:
        simulations.close()
    chosen = np.asarray(observations[:: len(observations) // count][:count], np.float32)
    return torch.from_numpy(chosen)


def extremes(seen: Tensor) -> Tensor:
    """Return [7, S]: zeros, the least and the most that was seen, ten and a thousand times it."""
    low, high = seen.amin(0), seen.amax(0)
    rows = [torch.zeros_like(low), low, high, 10 * low, 10 * high, 1000 * low, 1000 * high]
    return torch.stack(rows)
