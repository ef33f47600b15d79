"""Each way to run a policy drives the same environment from the same start: do they agree?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from td7.deploy.backends import Run
from td7.envs import make_simulations

STEPS = 25  # beyond them contacts make something of the last bits of an action
WHOLE_EPISODE = 1000  # at most
TOLERANCE = 1e-3  # of the sum of the rewards' magnitudes


@dataclass(frozen=True)
class Driven:
    """What a policy got in the first steps of an episode."""

    steps: int
    episode_return: float
    magnitude: float  # sum of the rewards' magnitudes


def drive(env: str, act: Run, steps: int = STEPS, seed: int = 0) -> Driven:
    """Run an episode for at most so many steps; the environment's code is run as `env` names it."""
    simulations, one = make_simulations(env, 1), np.zeros(1, np.int64)
    rewards: list[float] = []
    try:
        obs, over = simulations.reset(one, [seed]), False
        while len(rewards) < steps and not over:
            actions = act(np.ascontiguousarray(obs, np.float32))
            obs, reward, terminated, truncated = simulations.step(one, actions)
            rewards.append(float(reward[0]))
            over = bool(terminated[0] or truncated[0])
    finally:
        simulations.close()
    return Driven(len(rewards), sum(rewards), sum(map(abs, rewards)))


def disagreement(env: str, ways: Mapping[str, Run], reference: str) -> dict[str, float]:
    """Return how far each way's return is from the reference's, as a share of all rewards.

    An episode that ends at another step is infinitely far.
    """
    wanted = drive(env, ways[reference])
    shares = {}
    for name, act in ways.items():
        driven = drive(env, act)
        difference = abs(driven.episode_return - wanted.episode_return)
        same = driven.steps == wanted.steps
        shares[name] = difference / max(wanted.magnitude, 1e-12) if same else float("inf")
    return shares
