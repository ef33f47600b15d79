"""td7.LapReplay."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.peers.subject import Sampled, Subject
from benchmarks.transitions import ALPHA, BATCH, Case, Episode, td_errors
from td7.extension import core
from td7.replay import LapReplay, TensorBatch


class Td7(Subject):
    """td7's replay, under its best instruction set or under a named one."""

    name = "td7"
    packages = ("td7",)
    error_shape = (1, BATCH)

    def __init__(self, case: Case, instruction_set: str | None = None) -> None:
        self.instruction_set = instruction_set or core.instruction_sets()[0]
        if instruction_set is not None:
            self.name = f"td7 ({instruction_set})"
        self.replay = LapReplay(case.capacity, case.obs_size, case.action_size, alpha=ALPHA)
        self.out = TensorBatch(1, BATCH, case.obs_size, case.action_size)
        self.drawn = Sampled(
            self.out.obs[0],
            self.out.action[0],
            self.out.reward[0],
            self.out.next_obs[0],
            self.out.not_terminated[0],
            self.out.arrays.index,
        )

        self.add = self.replay.add  # type: ignore[method-assign]  # what a user calls

    def sample(self) -> Sampled:
        self.replay.sample(BATCH, out=self.out.arrays)
        return self.drawn

    def update(self, index: Any, errors: torch.Tensor) -> None:
        self.replay.update_priorities(index, errors.numpy())

    def bulk(self, episode: Episode) -> Any:
        return (episode.all_obs, episode.action, episode.reward, bool(episode.terminated[-1]))

    def add_bulk(self, episode: Any) -> None:
        self.replay.add_episode(*episode)

    def spread_priorities(self, capacity: int, rng: np.random.Generator) -> None:
        # which indices hold a transition is the buffer's own matter: so they are drawn, four times
        # the capacity, which reaches all but a few in a hundred
        count = min(capacity, 16_384)
        for _ in range(4 * capacity // count):
            index = self.replay.sample(count).index
            self.replay.update_priorities(index, td_errors(count, rng)[None])

    def begin_round(self) -> None:
        core.set_instruction_set(self.instruction_set)

    def nbytes(self) -> int | None:
        return self.replay.nbytes
