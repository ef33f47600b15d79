"""Evaluation: whole episodes of a policy without exploration noise."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from td7.config import TD7Config
from td7.envs.vector_args import at_least
from td7.policy.acting import acts_in_cpp, make_acting
from td7.policy.module import PolicyModule
from td7.rollout import Episode, Rollouts, open_rollouts
from td7.run.environment import env_of_run
from td7.run.folder import read_settings
from td7.run.policies import moment_of, saved_policy

MOST_AT_ONCE = 64  # episodes of `td7 eval`


@dataclass(frozen=True)
class Evaluated:
    """Whole episodes of one policy: undiscounted returns and lengths in steps."""

    returns: list[float]
    lengths: list[int]
    cut: int = 0  # episodes that had not ended after the most steps


def evaluate(
    rollouts: Rollouts,
    member: int,
    policy: PolicyModule,
    stopped: Callable[[], bool] = lambda: False,
    max_steps: int = TD7Config.eval_max_steps,
) -> Evaluated | None:
    """Run one episode in each of a member's simulations; None when `stopped` cut them short.

    An episode that has not ended after max_steps counts as far as it has come.
    The simulations' generators go on from evaluation to evaluation; one that was cut leaves them
    as they were. Raises SimulationError, or what an environment raises; then they go on too, or
    each try would fail alike.
    """
    members, num_envs = rollouts.steps.shape
    before = rollouts.states(member)
    most = np.zeros((members, num_envs), np.int64)
    most[member] = max_steps
    policies = [make_acting(policy)] * members
    try:
        rollouts.run(policies, most, ["greedy"] * members, stopped)
    except Exception:
        _clear(rollouts, member)
        raise
    episodes = [rollouts.episode(member, sim) for sim in range(num_envs)]
    if not all(episode.ended or episode.length >= max_steps for episode in episodes):
        rollouts.resume(member, before, policies[member])
        return None
    _clear(rollouts, member)
    returns = [episode.episode_return for episode in episodes]
    cut = sum(not episode.ended for episode in episodes)
    return Evaluated(returns, [episode.length for episode in episodes], cut)


def evaluate_in_turn(
    rollouts: Rollouts,
    member: int,
    policy: PolicyModule,
    stopped: Callable[[], bool],
    max_steps: int,
    episodes: int,
) -> Evaluated | None:
    """Run episodes one after another in the first simulation of a member; otherwise as `evaluate`.

    The simulation's count of steps stays as it was: these are not collected.
    REQUIRES: the simulation is between episodes.
    """
    before, most = rollouts.states(member)[:1], np.zeros_like(rollouts.steps)
    most[member, 0] = max_steps
    members = len(most)
    policies = [make_acting(policy)] * members
    done: list[Episode] = []
    try:
        while len(done) < episodes:
            rollouts.run(policies, most, ["greedy"] * members, stopped)
            episode = rollouts.episode(member, 0)
            if not episode.ended and episode.length < max_steps:
                rollouts.resume(member, before, policies[member])
                return None
            done.append(episode)
            rollouts.clear(member, 0)
    finally:
        rollouts.clear(member, 0)
        rollouts.set_steps(member, 0, before[0].steps)
    cut = sum(not episode.ended for episode in done)
    return Evaluated([e.episode_return for e in done], [e.length for e in done], cut)


def _clear(rollouts: Rollouts, member: int) -> None:
    for sim in range(rollouts.steps.shape[1]):
        rollouts.clear(member, sim)


@dataclass(frozen=True)
class PolicyScore:
    """The evaluation of one seed's policy."""

    seed: int
    policy: str
    returns: list[float]
    saved_at: str  # updates, env steps and score of its run when it was saved
    cut: str = ""  # says which episodes did not end, if any

    def __str__(self) -> str:
        mean, std = statistics.fmean(self.returns), statistics.pstdev(self.returns)
        episodes = len(self.returns)
        return (
            f"seed {self.seed} ({self.policy}): {mean:.1f} +- {std:.1f} over {episodes} episodes"
            f"{self.cut and f'; {self.cut}'}; policy saved at: {self.saved_at}"
        )


def cut_text(cut: int, episodes: int, max_steps: int) -> str:
    """Say that episodes were cut at max_steps, and what to do; empty if none was."""
    if not cut:
        return ""
    return (
        f"{cut} of {episodes} episodes were cut after {max_steps:,} steps (--eval-max-steps); "
        "train with --max-episode-steps for a time limit"
    )


def evaluate_run(
    run: str | Path,
    *,
    seed: int | None = None,
    episodes: int = 10,
    eval_seed: int = 1000,
    num_threads: int = 0,
    max_steps: int | None = None,
    num_envs: int | None = None,
    env: str | None = None,
) -> list[PolicyScore]:
    """Evaluate the saved policy of every seed of a run, or of one, on the same episodes' starts.

    The environment's code is run as the run's config.json names it, or `env` in its place: one of
    the same sizes and bounds. Its time limit is the run's. An
    episode that has not ended after max_steps (by default the run's eval_max_steps) is cut.
    `num_envs` environments run at once: by default one for each episode, MOST_AT_ONCE at most, and
    a single one for a run that has none but its training environment. They have a seed each, so
    another number gives other episodes.

    Raises ValueError for a folder that holds no run, an unknown seed or no episode.
    """
    run = Path(run).absolute()
    settings = read_settings(run)
    if seed is not None and seed not in settings.seeds:
        raise ValueError(f"seed must be one of the run's {list(settings.seeds)}, got {seed}")
    episodes = at_least(1, episodes, "episodes")
    eval_seed = at_least(0, eval_seed, "eval_seed", most=2**64 - 1)
    config = settings.config
    if num_envs is None:
        num_envs = 1 if config.one_env else MOST_AT_ONCE
    elif at_least(1, num_envs, "num_envs") > episodes:
        raise ValueError(f"num_envs must be at most the {episodes} episodes, got {num_envs}")
    num_envs = min(episodes, num_envs)
    max_steps = config.eval_max_steps if max_steps is None else at_least(1, max_steps, "max_steps")
    chosen = settings.seeds if seed is None else (seed,)
    scores = []
    for each in chosen:
        policy = saved_policy(run, each)
        rollouts = open_rollouts(
            env_of_run(run, settings, env, policy.module),
            [eval_seed],
            num_envs,
            num_threads=num_threads,
            keep_rows=False,
            policy_in_cpp=acts_in_cpp(policy.module.parts),
            wide_seeds=settings.wide_seeds,
            max_episode_steps=config.max_episode_steps,
        )
        try:
            returns: list[float] = []
            cut = 0
            while len(returns) < episodes:
                evaluated = evaluate(rollouts, 0, policy.module, max_steps=max_steps)
                assert evaluated is not None
                returns += evaluated.returns
                cut += evaluated.cut
        finally:
            rollouts.close()
        which, saved_at = policy.metadata.get("policy", "unnamed"), moment_of(policy.metadata)
        text = cut_text(cut, len(returns), max_steps)
        scores.append(PolicyScore(each, which, returns[:episodes], saved_at, text))
    return scores
