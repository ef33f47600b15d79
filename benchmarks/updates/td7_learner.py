"""td7's own learner: bursts of a `Group`, as training runs them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import torch

from benchmarks.transitions import BATCH, STEPS, Case, Episode
from benchmarks.updates.subject import Size
from td7 import TD7Config
from td7.config import Execution, Precision
from td7.replay import DeviceLapReplay, LapReplay
from td7.updates.batches import Batches, DeviceBatches, HostBatches
from td7.updates.groups import Group
from td7.updates.learners import Learners


class Td7:
    """P members, their replays full."""

    name = "td7"

    def __init__(
        self,
        size: Size,
        members: int,
        capacity: int,
        *,
        device: str,
        execution: Execution,
        precision: Precision = "float32",
    ) -> None:
        self.size, self.members = size, members
        self.case = f"{size.name}/P{members}/{precision}/{device}/{execution}"
        config = TD7Config(buffer_capacity=capacity, execution=execution, precision=precision)
        sizes, seeds = (size.obs_size, size.action_size), range(members)
        on_cpu = device == "cpu"
        learners = Learners(
            *sizes, seeds, config, device=device, group_size=1 if on_cpu else members
        )
        self.replay = (
            LapReplay(capacity, *sizes, seeds=seeds)
            if on_cpu
            else DeviceLapReplay(capacity, *sizes, seeds=seeds, device=device)
        )
        self._fill(capacity)
        self.trainers = []
        for first, learner in enumerate(learners.groups):
            batches: Batches = (
                HostBatches(learner, self.replay, first)
                if isinstance(self.replay, LapReplay)
                else DeviceBatches(learner, self.replay)
            )
            self.trainers.append(Group(learner, batches))

    def run(self, count: int) -> None:
        """Make `count` updates of every member."""
        self.pay([count] * self.members)

    def pay(self, debts: Sequence[int]) -> None:
        """Pay debts [P]; the metrics are read at the end of a burst, as in training."""
        left = list(debts)
        for trainer in self.trainers:
            group = trainer.learner.members
            owed, left = left[:group], left[group:]
            trainer.train(owed, lambda: False)
            for member in range(group):
                trainer.metrics.pop(member)

    def _fill(self, capacity: int) -> None:
        rng = np.random.default_rng(0)
        episodes = [Episode.random(Case(self.size.name, capacity), rng) for _ in range(16)]
        for member in range(self.members):
            for _, episode in zip(range(0, capacity, STEPS), cycle(episodes), strict=False):
                obs = np.concatenate((episode.obs, episode.next_obs[-1:]))
                rows = obs, episode.action, episode.reward
                self.replay.add_episode(*rows, False, member=member)
        for _ in range(capacity // BATCH // 4):  # priorities such as training leaves
            drawn = self.replay.sample(BATCH)
            errors = rng.exponential(2, drawn.index.shape).astype(np.float32)
            if isinstance(self.replay, LapReplay):
                self.replay.update_priorities(drawn.index, errors)
            else:
                there = torch.from_numpy(errors).to(self.replay.device)
                self.replay.update_priorities(drawn.index, there)
