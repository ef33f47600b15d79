"""Evaluation: whole episodes of a policy without exploration noise."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import torch

from td7.deploy.policy import PolicyModule, load_policy
from td7.envs import check_finite, make_env
from td7.run_folder import policy_folder, read_settings


def evaluate(
    env: gymnasium.Env[Any, Any], policy: PolicyModule, episodes: int, seed: int | None = None
) -> tuple[list[float], list[int]]:
    """Return the undiscounted returns and lengths of `episodes` whole episodes.

    With a seed the environment's generator starts anew; without, its stream continues. Raises
    DivergedError when the environment returns a value that is not finite.
    """
    returns, lengths = [], []
    with torch.inference_mode():
        for _ in range(episodes):
            obs, _ = env.reset(seed=seed)
            seed = None
            total, length, over = 0.0, 0, False
            while not over:
                action = policy(torch.as_tensor(obs, dtype=torch.float32)[None])[0]
                obs, reward, terminated, truncated, _ = env.step(action.numpy())
                where = f"evaluation episode {len(returns) + 1}, step {length + 1}"
                check_finite(obs, "observation", where)
                check_finite(reward, "reward", where)
                total, length, over = total + float(reward), length + 1, terminated or truncated
            returns.append(total)
            lengths.append(length)
    return returns, lengths


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
            returns, _ = evaluate(env, policy.module, episodes, eval_seed)
            scores.append(PolicyScore(each, policy.metadata["policy"], returns))
        return scores
    finally:
        env.close()
