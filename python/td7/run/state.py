"""The state of a run: everything that the loop changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from td7.agent import make_algorithm
from td7.agent.checkpoint import CheckpointRule, Decision
from td7.config import AlgorithmConfig, RunConfig
from td7.envs import SimulationError
from td7.policy.acting import Acting, acts_in_cpp, make_acting
from td7.policy.module import PolicyModule, policy_module
from td7.policy.saved import Policy
from td7.replay import LapReplay
from td7.rollout import Episode, Rollouts, open_rollouts
from td7.rollout.waves import Collector
from td7.run.folder import RunSettings
from td7.run.placement import decided, group_size, open_replays, turns
from td7.updates.batches import Batches, DeviceBatches, HostBatches
from td7.updates.burst import Trainer
from td7.updates.groups import Learners

EVAL_SEED_OFFSET = 100  # the author's evaluation environments are seeded so


class RunState:
    """Learner, replay, environments and bookkeeping of every member."""

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
        self.trainers = self._trainers()
        self._streams: dict[int, torch.cuda.Stream] = {}
        places = [(replay, m) for replay in self.replays for m in range(replay.members)]
        self.collector = Collector(self.rollouts, places, cfg.num_envs)
        self.policies = [make_acting(self.policy_module(m, "current")) for m in range(len(seeds))]
        self.rules = [_checkpoint_rule(cfg) for _ in seeds]
        self.learning = [False for _ in seeds]
        self.debts = [0 for _ in seeds]
        self.evaluated = [-1 for _ in seeds]  # steps at the last evaluation
        self.checkpoint_steps = [0 for _ in seeds]
        self.recent_episodes: list[list[Episode]] = [[] for _ in seeds]
        self.failures = 0  # simulations that have failed, in earlier sittings too
        self.wall_s = 0.0  # of the sittings before this one
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

    def _trainers(self) -> list[Trainer]:
        trainers, first = [], 0
        for number, learner in enumerate(self.learners.groups):
            batches: Batches
            replay = self.replays[number if len(self.replays) > 1 else 0]
            if isinstance(replay, LapReplay):
                batches = HostBatches(learner, replay, first)
            else:
                batches = DeviceBatches(learner, replay)
            trainers.append(Trainer(learner, batches))
            first += learner.members
        return trainers

    def train(
        self,
        members: Sequence[int],
        stopped: Callable[[], bool],
        on_updates: Callable[[int, int], None] = lambda member, count: None,
    ) -> None:
        """Pay the debts of these members, whole groups; `on_updates` gets a member and a count.

        A stop leaves the rest owed. Raises NonFiniteLossError; other groups are then paid no more.
        """
        first = 0
        for trainer in self.trainers:
            mine = slice(first, first + trainer.learner.members)
            if first in members:
                self._pay(trainer, mine, stopped, on_updates)
            first = mine.stop

    def _pay(
        self,
        trainer: Trainer,
        mine: slice,
        stopped: Callable[[], bool],
        on_updates: Callable[[int, int], None],
    ) -> None:
        debts = self.debts[mine]

        def note(members: Sequence[int], count: int) -> None:
            for member in members:
                on_updates(mine.start + member, count)

        try:
            with self._own_stream(mine.start):
                trainer.train(debts, stopped, note)
        finally:
            self.debts[mine] = debts

    @contextmanager
    def _own_stream(self, first: int) -> Iterator[None]:
        """Give a group's bursts a CUDA stream of their own, so that what collects need not wait."""
        device = torch.device(self.settings.device)
        if device.type != "cuda":
            yield
            return
        with torch.cuda.device(device):
            if first not in self._streams:
                self._streams[first] = torch.cuda.Stream()
            stream = self._streams[first]
            stream.wait_stream(torch.cuda.default_stream())  # on which transitions were added
            with torch.cuda.stream(stream):
                yield

    def is_whole(self) -> bool:
        """Whether no error has cut an update in two."""
        return not any(trainer.within_update for trainer in self.trainers)

    def pop_update_metrics(self, member: int) -> dict[str, float]:
        """Return the means of a member's update metrics since the last time."""
        trainer, local = self._trainer_of(member)
        return trainer.metrics.pop(local)

    def update_metrics(self, member: int) -> dict[str, list[float]]:
        """Return a member's update metrics as sums and counts, for `restore_update_metrics`."""
        trainer, local = self._trainer_of(member)
        return trainer.metrics.state(local)

    def restore_update_metrics(self, member: int, state: dict[str, list[float]]) -> None:
        """Put a member's update metrics back."""
        trainer, local = self._trainer_of(member)
        trainer.metrics.restore(local, state, trainer.learner.per_member())

    def _trainer_of(self, member: int) -> tuple[Trainer, int]:
        for trainer in self.trainers:
            if member < trainer.learner.members:
                return trainer, member
            member -= trainer.learner.members
        raise IndexError(member)

    @property
    def steps(self) -> list[int]:
        """What each member has done of its total [P]: environment steps, offline updates."""
        return self.learners.updates if self.settings.offline else self.collector.env_steps

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
            if self.learning[member] and self.settings.config.use_checkpoints:
                self.rules[member].add_uncounted(steps)  # a run to a later end owes for them
            return True
        return not episode.length

    def next_evaluation(self, member: int) -> int | None:
        """Return the step of the next evaluation: 0, eval_every, ..., and total_steps."""
        total, every = self.settings.total_steps, self.settings.config.eval_every
        last = self.evaluated[member]
        return min(total, (last // every + 1) * every) if last < total else None

    def finished(self) -> bool:
        """Whether every member has taken its steps, paid its debt and been evaluated."""
        total = self.settings.total_steps
        return (
            all(steps >= total for steps in self.steps)
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
            self.learners.set_checkpoint(member)
            self.checkpoint_steps[member] = self.collector.env_steps[member]
        if decision is not Decision.CONTINUE:
            self.debts[member] = rule.debt

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
        score = self.rules[member].best_min_return
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


def _checkpoint_rule(config: AlgorithmConfig) -> CheckpointRule:
    return CheckpointRule(
        config.assessment_episodes,
        config.late_assessment_episodes,
        config.late_after_updates,
        config.reset_weight,
    )
