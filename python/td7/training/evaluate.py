"""Evaluation: whole episodes of a policy without exploration noise."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from td7.deploy.native import NativePolicy
from td7.deploy.policy import PolicyModule, load_policy
from td7.rollout import Rollouts, open_rollouts
from td7.run_folder import policy_folder, read_settings

NO_LIMIT = 2**62


@dataclass(frozen=True)
class Evaluated:
    """Whole episodes of one policy: undiscounted returns and lengths in steps."""

    returns: list[float]
    lengths: list[int]


def evaluate(
    rollouts: Rollouts,
    member: int,
    policy: PolicyModule,
    stopped: Callable[[], bool] = lambda: False,
) -> Evaluated | None:
    """Run one episode in each of a member's simulations; None when `stopped` cut them short.

    The simulations' generators go on from evaluation to evaluation; one that was cut leaves them
    as they were. Raises SimulationError.
    """
    members, num_envs = rollouts.steps.shape
    steps, generators = rollouts.steps[member].tolist(), rollouts.generators(member)
    most = np.zeros((members, num_envs), np.int64)
    most[member] = NO_LIMIT
    policies = [NativePolicy(policy)] * members
    rollouts.run(policies, most, ["greedy"] * members, stopped)
    episodes = [rollouts.episode(member, sim) for sim in range(num_envs)]
    if not all(episode.ended for episode in episodes):
        rollouts.resume(member, steps, generators)
        return None
    for sim in range(num_envs):
        rollouts.clear(member, sim)
    returns = [episode.episode_return for episode in episodes]
    return Evaluated(returns, [episode.length for episode in episodes])


@dataclass(frozen=True)
class PolicyScore:
    """The evaluation of one seed's policy."""

    seed: int
    policy: str
    returns: list[float]

    def __str__(self) -> str:
        mean, std = statistics.fmean(self.returns), statistics.pstdev(self.returns)
        episodes = len(self.returns)
        return f"seed {self.seed} ({self.policy}): {mean:.1f} +- {std:.1f} over {episodes} episodes"


def evaluate_run(
    run: str | Path,
    *,
    seed: int | None = None,
    episodes: int = 10,
    eval_seed: int = 1000,
    num_threads: int = 0,
) -> list[PolicyScore]:
    """Evaluate the saved policy of every seed of a run, or of one, on the same episodes' starts.

    Raises ValueError for a folder that holds no run, an unknown seed or no episode.
    """
    run = Path(run)
    settings = read_settings(run)
    if seed is not None and seed not in settings.seeds:
        raise ValueError(f"seed must be one of the run's {list(settings.seeds)}, got {seed}")
    if episodes < 1:
        raise ValueError(f"episodes must be at least 1, got {episodes}")
    chosen = settings.seeds if seed is None else (seed,)
    scores = []
    for each in chosen:
        policy = load_policy(policy_folder(run, each))
        rollouts = open_rollouts(
            settings.env,
            [eval_seed],
            episodes,
            num_threads=num_threads,
            keep_rows=False,
        )
        try:
            evaluated = evaluate(rollouts, 0, policy.module)
        finally:
            rollouts.close()
        assert evaluated is not None
        scores.append(PolicyScore(each, policy.metadata["policy"], evaluated.returns))
    return scores
