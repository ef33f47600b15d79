"""Evaluation: whole episodes of a policy without exploration noise."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import torch

from td7.deploy.policy import PolicyModule, load_policy
from td7.envs import check_finite, make_env, to_space
from td7.run_folder import policy_folder, read_settings


@dataclass(frozen=True)
class Evaluated:
    """Whole episodes of one policy: undiscounted returns and lengths in steps."""

    returns: list[float]
    lengths: list[int]


def evaluate(
    env: gymnasium.Env[Any, Any],
    policy: PolicyModule,
    episodes: int,
    seed: int | None = None,
    *,
    stopped: Callable[[], bool] = lambda: False,
    where: str = "",
) -> Evaluated | None:
    """Run whole episodes without noise; None when `stopped` turns true before their end.

    With a seed the environment's generator starts anew; without, its stream continues. Raises
    DivergedError, beginning with `where`, when the environment returns a value that is not finite.
    """
    result = Evaluated([], [])
    with torch.inference_mode():
        for episode in range(1, episodes + 1):
            obs, _ = env.reset(seed=seed)
            seed = None
            total, length, over = 0.0, 0, False
            while not over:
                if stopped():
                    return None
                place = f"{where}evaluation episode {episode}, step {length}"
                check_finite(obs, "observation", place)
                action = policy(torch.as_tensor(obs, dtype=torch.float32)[None])[0]
                obs, reward, terminated, truncated, _ = env.step(to_space(env, action))
                check_finite(reward, "reward", place)
                total, length, over = total + float(reward), length + 1, terminated or truncated
            result.returns.append(total)
            result.lengths.append(length)
    return result


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
    run: str | Path, *, seed: int | None = None, episodes: int = 10, eval_seed: int = 1000
) -> list[PolicyScore]:
    """Evaluate the saved policy of every seed of a run, or of one.

    Raises ValueError for a folder that holds no run, an unknown seed or no episode.
    """
    run = Path(run)
    settings = read_settings(run)
    if seed is not None and seed not in settings.seeds:
        raise ValueError(f"seed must be one of the run's {list(settings.seeds)}, got {seed}")
    if episodes < 1:
        raise ValueError(f"episodes must be at least 1, got {episodes}")
    env = make_env(settings.env)
    try:
        scores = []
        for each in settings.seeds if seed is None else (seed,):
            policy = load_policy(policy_folder(run, each))
            evaluated = evaluate(env, policy.module, episodes, eval_seed)
            assert evaluated is not None
            scores.append(PolicyScore(each, policy.metadata["policy"], evaluated.returns))
        return scores
    finally:
        env.close()
