"""Evaluation: whole episodes of a policy without exploration noise."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from td7.deploy.native import NativePolicy
from td7.deploy.policy import PolicyModule, load_policy
from td7.envs.vector_args import at_least
from td7.rollout import Rollouts, open_rollouts
from td7.run_folder import policy_folder, read_settings

NO_LIMIT = 2**62
MOST_AT_ONCE = 64  # episodes of `td7 eval`


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
    as they were. Raises SimulationError, or what an environment raises; then they go on too, or
    each try would fail alike.
    """
    members, num_envs = rollouts.steps.shape
    before = rollouts.states(member)
    most = np.zeros((members, num_envs), np.int64)
    most[member] = NO_LIMIT
    policies = [NativePolicy(policy)] * members
    try:
        rollouts.run(policies, most, ["greedy"] * members, stopped)
    except Exception:
        _clear(rollouts, member)
        raise
    episodes = [rollouts.episode(member, sim) for sim in range(num_envs)]
    if not all(episode.ended for episode in episodes):
        rollouts.resume(member, before, policies[member])
        return None
    _clear(rollouts, member)
    returns = [episode.episode_return for episode in episodes]
    return Evaluated(returns, [episode.length for episode in episodes])


def _clear(rollouts: Rollouts, member: int) -> None:
    for sim in range(rollouts.steps.shape[1]):
        rollouts.clear(member, sim)


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

    The environment's code is run as the run's config.json names it. Raises ValueError for a folder
    that holds no run, an unknown seed or no episode.
    """
    run = Path(run)
    settings = read_settings(run)
    if seed is not None and seed not in settings.seeds:
        raise ValueError(f"seed must be one of the run's {list(settings.seeds)}, got {seed}")
    episodes = at_least(1, episodes, "episodes")
    eval_seed = at_least(0, eval_seed, "eval_seed", most=2**64 - 1)
    chosen = settings.seeds if seed is None else (seed,)
    scores = []
    for each in chosen:
        policy = load_policy(policy_folder(run, each))
        rollouts = open_rollouts(
            settings.env,
            [eval_seed],
            min(episodes, MOST_AT_ONCE),
            num_threads=num_threads,
            keep_rows=False,
        )
        try:
            returns: list[float] = []
            while len(returns) < episodes:
                evaluated = evaluate(rollouts, 0, policy.module)
                assert evaluated is not None
                returns += evaluated.returns
        finally:
            rollouts.close()
        scores.append(
            PolicyScore(each, policy.metadata.get("policy", "unnamed"), returns[:episodes])
        )
    return scores
