"""The state of a run: everything that the loop changes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from td7.agent import make_algorithm
from td7.config import RunConfig
from td7.envs import SimulationError
from td7.policy.acting import Acting, acts_in_cpp, make_acting
from td7.policy.module import PolicyModule, policy_module
from td7.policy.saved import Policy
from td7.replay import LapReplay
from td7.rollout import Episode, Rollouts, open_rollouts
from td7.rollout.waves import Collector
from td7.run.folder import RunSettings
from td7.run.members import Member
from td7.run.placement import decided, group_size, open_replays, turns
from td7.updates.batches import Batches, DeviceBatches, HostBatches
from td7.updates.groups import Group
from td7.updates.learners import Learners

EVAL_SEED_OFFSET = 100  # the author's evaluation environments are seeded so


class RunState:
    """Groups, replays, environments and members of a run."""

    def __init__(self, settings: RunSettings, run: RunConfig = RunConfig()) -> None:
        cfg, seeds = settings.config, settings.seeds
        self.rollouts = open_rollouts(
            settings.env,
            seeds,
            cfg.num_envs,
            num_threads=run.num_threads,
            exploration_noise=cfg.exploration_noise,
            policy_in_cpp=_policy_in_cpp(settings),
            wide_seeds=settings.wide_seeds,
            max_episode_steps=cfg.max_episode_steps,
        )
        self.eval_rollouts = None if cfg.one_env else self._open_eval_rollouts(settings, run)
        obs_space, action_space = self.rollouts.observation_space, self.rollouts.action_space
        sizes = obs_space.shape[0], action_space.shape[0]
        self.settings = decided(settings, *sizes)
        cfg = self.settings.config
        self.bounds = {
            "low": torch.tensor(action_space.low, dtype=torch.float32),
            "high": torch.tensor(action_space.high, dtype=torch.float32),
        }
        together = group_size(self.settings)
        self.turns = turns(self.settings, together)
        self.learners = Learners(
            *sizes,
            seeds,
            cfg,
            device=settings.device,
            group_size=together,
            offline=settings.offline,
        )
        self.replays = open_replays(self.settings, *sizes, run, together)
        self.groups = self._groups()
        places = [(replay, m) for replay in self.replays for m in range(replay.members)]
        self.collector = Collector(self.rollouts, places, cfg.num_envs)
        self.policies = [make_acting(self.policy_module(m, "current")) for m in range(len(seeds))]
        self.members = [Member.new(seed, cfg) for seed in seeds]
        self.failures = 0  # simulations that have failed, in earlier sessions too
        self.wall_s = 0.0  # of the sessions before this one
        self.metrics_bytes = 0  # of metrics.jsonl at the last save

    def _open_eval_rollouts(self, settings: RunSettings, run: RunConfig) -> Rollouts:
        return open_rollouts(
            settings.env,
            settings.seeds,
            settings.config.eval_episodes,
            num_threads=run.num_threads,
            keep_rows=False,
            seed_offset=EVAL_SEED_OFFSET,
            policy_in_cpp=_policy_in_cpp(settings),
            wide_seeds=settings.wide_seeds,
            max_episode_steps=settings.config.max_episode_steps,
        )

    def _groups(self) -> list[Group]:
        groups, first = [], 0
        for number, learner in enumerate(self.learners.groups):
            batches: Batches
            replay = self.replays[number if len(self.replays) > 1 else 0]
            if isinstance(replay, LapReplay):
                batches = HostBatches(learner, replay, first)
            else:
                batches = DeviceBatches(learner, replay)
            groups.append(Group(learner, batches, first))
            first += learner.members
        return groups

    def group_of(self, member: int) -> tuple[Group, int]:
        """Return the group of a member, and its number there."""
        group = next(group for group in self.groups if member in group.members)
        return group, member - group.members.start

    @contextmanager
    def debts(self, group: Group) -> Iterator[list[int]]:
        """Give what the group's members owe, to be counted off in place."""
        members = [self.members[number] for number in group.members]
        debts = [member.debt for member in members]
        try:
            yield debts
        finally:
            for member, debt in zip(members, debts, strict=True):
                member.debt = debt

    def is_whole(self) -> bool:
        """Whether no error has cut an update in two."""
        return not any(group.within_update for group in self.groups)

    @property
    def steps(self) -> list[int]:
        """The run's clock for each member [P]: what counts towards total_steps."""
        clocks = {"env_steps": self.collector.env_steps, "updates": self.learners.updates}
        return clocks[self.settings.clock]

    def close(self) -> None:
        """Close the environments."""
        self.rollouts.close()
        if self.eval_rollouts is not None:
            self.eval_rollouts.close()

    def ready_to_evaluate(self, member: int) -> bool:
        """Whether the simulation of evaluations is between episodes.

        Once all steps are taken, an episode under way in it is cut: no step would end it.
        """
        if not self.settings.config.eval_in_training_env:
            return True
        episode = self.rollouts.episode(member, 0)
        if episode.length and self.collector.env_steps[member] >= self.settings.total_steps:
            steps = self.collector.cut_member(member)
            if self.members[member].learning and self.settings.config.use_checkpoints:
                # a run to a later end owes for them
                self.members[member].rule.add_uncounted(steps)
            return True
        return not episode.length

    def next_evaluation(self, member: int) -> int | None:
        """Return the step of the next evaluation: 0, eval_every, ..., and total_steps."""
        total, every = self.settings.total_steps, self.settings.config.eval_every
        last = self.members[member].evaluated
        return min(total, (last // every + 1) * every) if last < total else None

    def finished(self, members: Sequence[int] | None = None) -> bool:
        """Whether these members, default all, have reached total_steps without debt, evaluated."""
        total, steps = self.settings.total_steps, self.steps
        return all(
            steps[member] >= total
            and self.members[member].debt == 0
            and self.next_evaluation(member) is None
            for member in (range(len(self.members)) if members is None else members)
        )

    def until_learning(self, member: int) -> int | None:
        """Return the steps until learning starts, None unless it starts at a step."""
        config = self.settings.config
        if self.members[member].learning or config.learning_starts_with_episode:
            return None
        return max(0, config.warmup_steps - self.collector.env_steps[member])

    def assess(self, member: int, episodes: Sequence[Episode]) -> None:
        """Count episodes of the assessment; an accepted policy becomes the checkpoint at once."""
        if self.members[member].assess(episodes):
            self.learners.set_checkpoint(member)
            self.members[member].checkpoint_steps = self.collector.env_steps[member]

    def count_failure(self, error: RuntimeError) -> RuntimeError:
        """Count the simulations that failed by an error; return it with the count before its text.

        Rollouts begin the text of each failed simulation by its seed.
        """
        text = str(error)
        unnamed = re.search(r"; and (\d+) more$", text)
        named = len(re.findall(r"(?:^|; )seed \d+,", text))
        self.failures += max(1, named) + (int(unnamed[1]) if unnamed else 0)
        kind = SimulationError if isinstance(error, SimulationError) else RuntimeError
        counted = kind(f"simulation failures of this run so far: {self.failures}; {text}")
        counted.__cause__ = error.__cause__ or error
        return counted

    def collecting_policies(self, members: Sequence[int]) -> list[Acting]:
        """Return every member's policy as it acts [P], those of `members` as they are now."""
        for member in members:
            weights = self.learners.policy_weights(member, "current") | self.bounds
            self.policies[member].load(weights)
        return self.policies

    @property
    def evaluated_policy(self) -> str:
        """Which policy is evaluated and exported: there is no checkpoint when they are off."""
        return "checkpoint" if self.settings.config.use_checkpoints else "current"

    def policy_module(self, member: int, which: str) -> PolicyModule:
        """Return a frozen copy of one member's policy on the CPU."""
        return policy_module(self.learners.policy_weights(member, which) | self.bounds)

    def policy(self, member: int, env_steps: int) -> Policy:
        """Return the policy that is evaluated and exported, with where it comes from."""
        score = self.members[member].rule.best_min_return
        metadata = {
            "env": self.settings.env,
            "seed": self.settings.seeds[member],
            "policy": self.evaluated_policy,
            "env_steps": env_steps,
            "updates": self.learners.updates[member],
            "checkpoint_score": score if np.isfinite(score) else None,
        }
        return Policy(self.policy_module(member, self.evaluated_policy), metadata)


def _policy_in_cpp(settings: RunSettings) -> bool:
    acting = make_algorithm(settings.config, offline=settings.offline).acting
    return acts_in_cpp(acting["current"])
