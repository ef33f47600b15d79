"""torchrl.data.PrioritizedReplayBuffer."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import from_numpy

# torchrl itself goes on without its compiled part, which the priorities need, if that was built
# for another torch: this import says so at once
from torchrl._torchrl import SumSegmentTreeFp32  # noqa: F401
from torchrl.data import LazyTensorStorage, PrioritizedReplayBuffer

from benchmarks.peers.subject import Sampled, Subject
from benchmarks.transitions import ALPHA, BATCH, Case, Episode

logging.getLogger("torchrl").setLevel(logging.WARNING)


class Peer(Subject):
    """With a tuple of tensors in a LazyTensorStorage: faster than a TensorDict in the same."""

    name = "torchrl"
    packages = ("torchrl", "tensordict")

    def __init__(self, case: Case) -> None:
        # LAP has no weights: beta 0
        self.buffer = PrioritizedReplayBuffer(
            alpha=ALPHA, beta=0.0, storage=LazyTensorStorage(case.capacity), batch_size=BATCH
        )

    def sample(self) -> Sampled:
        columns, info = self.buffer.sample(return_info=True)
        obs, action, reward, next_obs, terminated = columns
        return Sampled(obs, action, reward, next_obs, terminated, info["index"])

    def update(self, index: Any, errors: torch.Tensor) -> None:
        self.buffer.update_priority(index, errors)

    def add(
        self,
        obs: Any,
        action: Any,
        reward: float,
        next_obs: Any,
        terminated: bool,
        truncated: bool,
    ) -> object:
        return self.buffer.add(
            (
                from_numpy(obs),
                from_numpy(action),
                torch.tensor(reward),
                from_numpy(next_obs),
                torch.tensor(terminated),
            )
        )

    def bulk(self, episode: Episode) -> Any:
        arrays = (episode.obs, episode.action, episode.reward, episode.next_obs)
        return tuple(from_numpy(array) for array in (*arrays, episode.terminated))

    def add_bulk(self, episode: Any) -> object:
        return self.buffer.extend(episode)
