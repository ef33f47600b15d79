"""The state of a run: everything that the loop changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from td7.agent.checkpoint import CheckpointRule, Decision
from td7.agent.learner import Learner
from td7.config import RunConfig, TD7Config
from td7.deploy.native import NativePolicy
from td7.deploy.policy import Policy, PolicyModule, policy_module
from td7.replay import LapReplay
from td7.rollout import Episode, open_rollouts
from td7.run_folder import RunSettings
from td7.training.burst import UpdateMetrics
from td7.training.collect import Collector

EVAL_SEED_OFFSET = 100  # the author's evaluation environments are seeded so


class RunState:
    """Learner, replay, environments and bookkeeping of every member."""

    def __init__(self, settings: RunSettings, run: RunConfig = RunConfig()) -> None:
        cfg, seeds = settings.config, settings.seeds
        self.settings = settings
        self.rollouts = open_rollouts(
            settings.env,
            seeds,
            cfg.num_envs,
            num_threads=run.num_threads,
            exploration_noise=cfg.exploration_noise,
        )
        self.eval_rollouts = open_rollouts(
            settings.env,
            seeds,
            cfg.eval_episodes,
            num_threads=run.num_threads,
            keep_rows=False,
            seed_offset=EVAL_SEED_OFFSET,
        )
        obs_space, action_space = self.rollouts.observation_space, self.rollouts.action_space
        sizes = obs_space.shape[0], action_space.shape[0]
        self.bounds = {
            "low": torch.tensor(action_space.low, dtype=torch.float32),
            "high": torch.tensor(action_space.high, dtype=torch.float32),
        }
        self.learner = Learner(*sizes, seeds, cfg, device=settings.device)
        self.replay = LapReplay(
            cfg.buffer_capacity,
            *sizes,
            seeds=seeds,
            alpha=cfg.lap_alpha,
            min_priority=cfg.min_priority,
            streams=cfg.num_envs,
            scratch_dir=run.scratch_dir,
        )
        self.collector = Collector(self.rollouts, self.replay, cfg.num_envs)
        self.policies = [NativePolicy(self.policy_module(m, "current")) for m in range(len(seeds))]
        self.rules = [_checkpoint_rule(cfg) for _ in seeds]
        self.learning = [False for _ in seeds]
        self.debts = [0 for _ in seeds]
        self.evaluated = [-1 for _ in seeds]  # env steps of the last evaluation
        self.checkpoint_steps = [0 for _ in seeds]
        self.recent_episodes: list[list[Episode]] = [[] for _ in seeds]
        self.update_metrics = UpdateMetrics(len(seeds))
        self.wall_s = 0.0  # of the sittings before this one
        self.metrics_bytes = 0  # of metrics.jsonl at the last save

    def close(self) -> None:
        """Close the environments."""
        self.rollouts.close()
        self.eval_rollouts.close()

    def next_evaluation(self, member: int) -> int | None:
        """Return the step of the next evaluation: 0, eval_every, ..., and total_steps."""
        total, every = self.settings.total_steps, self.settings.config.eval_every
        last = self.evaluated[member]
        return min(total, (last // every + 1) * every) if last < total else None

    def finished(self) -> bool:
        """Whether every member has taken its steps, paid its debt and been evaluated."""
        total = self.settings.total_steps
        return (
            all(env_steps >= total for env_steps in self.collector.env_steps)
            and not any(self.debts)
            and all(self.next_evaluation(m) is None for m in range(len(self.debts)))
        )

    def assess(self, member: int, episodes: Sequence[Episode]) -> None:
        """Count episodes of the assessment, in order; what ends it sets the debt.

        An accepted policy becomes the checkpoint at once. Episodes behind the one that ended the
        assessment do not count, but add to the debt.
        """
        rule, decision = self.rules[member], Decision.CONTINUE
        for episode in episodes:
            if decision is Decision.CONTINUE:
                decision = rule.add_episode(episode.episode_return, episode.length)
            else:
                rule.add_uncounted(episode.length)
        if decision is Decision.ACCEPT:
            self.learner.set_checkpoint(member)
            self.checkpoint_steps[member] = self.collector.env_steps[member]
        if decision is not Decision.CONTINUE:
            self.debts[member] = rule.debt

    def collecting_policies(self, members: Sequence[int]) -> list[NativePolicy]:
        """Return every member's policy as it acts [P], those of `members` as they are now."""
        for member in members:
            weights = self.learner.policy_weights(member, "current") | self.bounds
            self.policies[member].load(weights)
        return self.policies

    @property
    def evaluated_policy(self) -> str:
        """Which policy is evaluated and exported: there is no checkpoint when they are off."""
        return "checkpoint" if self.settings.config.use_checkpoints else "current"

    def policy_module(self, member: int, which: str) -> PolicyModule:
        """Return a frozen copy of one member's policy on the CPU."""
        return policy_module(self.learner.policy_weights(member, which) | self.bounds)

    def policy(self, member: int, env_steps: int) -> Policy:
        """Return the policy that is evaluated and exported, with where it comes from."""
        score = self.rules[member].best_min_return
        metadata = {
            "env": self.settings.env,
            "seed": self.settings.seeds[member],
            "policy": self.evaluated_policy,
            "env_steps": env_steps,
            "updates": self.learner.updates[member],
            "checkpoint_score": score if np.isfinite(score) else None,
        }
        return Policy(self.policy_module(member, self.evaluated_policy), metadata)


def _checkpoint_rule(config: TD7Config) -> CheckpointRule:
    return CheckpointRule(
        config.assessment_episodes,
        config.late_assessment_episodes,
        config.late_after_updates,
        config.reset_weight,
    )
