"""td7.LapReplay."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.peers.subject import Sampled, Subject
from benchmarks.transitions import ALPHA, BATCH, Case, Episode, td_errors
from td7 import extension
from td7.replay import Batch, LapReplay

core: Any = extension.core


def instruction_sets() -> list[str]:
    """Name what the core can run on this processor, the best first."""
    # TODO: take the guard out once every core tells its instruction sets
    if not hasattr(core, "instruction_sets"):
        return []
    return list(core.instruction_sets())


class Td7(Subject):
    """td7's replay, under its best instruction set or under a named one."""

    name = "td7"
    packages = ("td7",)
    error_shape = (1, BATCH)

    def __init__(self, case: Case, instruction_set: str | None = None) -> None:
        sets = instruction_sets()
        if instruction_set is not None:
            self.name = f"td7 ({instruction_set})"
        elif sets:
            instruction_set = sets[0]
        self.instruction_set = instruction_set
        self.replay = LapReplay(case.capacity, case.obs_size, case.action_size, alpha=ALPHA)
        self.out = Batch.empty(1, BATCH, case.obs_size, case.action_size)
        # the tensors share the memory that every `sample` fills
        self.drawn = Sampled(
            torch.from_numpy(self.out.obs[0]),
            torch.from_numpy(self.out.action[0]),
            torch.from_numpy(self.out.reward[0]),
            torch.from_numpy(self.out.next_obs[0]),
            torch.from_numpy(self.out.not_terminated[0]),
            self.out.index,
        )
        self.add = self.replay.add  # type: ignore[method-assign]

    def sample(self) -> Sampled:
        self.replay.sample(BATCH, out=self.out)
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
        if self.instruction_set is not None:
            core.set_instruction_set(self.instruction_set)

    def nbytes(self) -> int | None:
        return self.replay.nbytes
