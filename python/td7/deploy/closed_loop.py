"""Each way to run a policy drives the same environment from the same start: do they agree?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from td7.deploy.formats import Run
from td7.envs import make_simulations
from td7.torch_settings import environment_settings

STEPS = 10  # a trained runner is chaotic: rounding grows to 2e-5 in 10 steps, to 1e-2 in 25
WHOLE_EPISODE = 1000  # at most
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Driven:
    """What a policy got in the first steps of an episode."""

    steps: int
    episode_return: float
    obs: NDArray[np.float64]  # the last observation [S]


@environment_settings()
@environment_settings()
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
    return Driven(len(rewards), sum(rewards), obs[0])


def disagreement(env: str, ways: Mapping[str, Run], reference: str) -> dict[str, float]:
    """Return how far each way has come from where the reference is after STEPS steps.

    The distance is the largest of an observation's entry and of the return, each relative to its
    own size or to 1; an episode that ends at another step is infinitely far.
    """
    wanted = drive(env, ways[reference])
    aim = np.append(wanted.obs, wanted.episode_return)
    found = {}
    for name, act in ways.items():
        driven = drive(env, act)
        away = np.abs(np.append(driven.obs, driven.episode_return) - aim)
        same = driven.steps == wanted.steps
        found[name] = float((away / np.maximum(np.abs(aim), 1)).max()) if same else float("inf")
    return found
