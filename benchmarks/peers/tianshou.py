"""tianshou.data.PrioritizedReplayBuffer."""

from __future__ import annotations

from typing import Any

import torch
from tianshou.data import Batch, PrioritizedReplayBuffer, ReplayBuffer
from torch import from_numpy

from benchmarks.peers.subject import Sampled, Subject
from benchmarks.transitions import ALPHA, BATCH, STEPS, Case, Episode


class Peer(Subject):
    """Filled by `update`, which keeps rewards float32; the columns of a batch become tensors."""

    name = "tianshou"
    packages = ("tianshou", "numba")

    def __init__(self, case: Case) -> None:
        # LAP has no weights: beta 0, not normalised, is the cheapest
        self.buffer = PrioritizedReplayBuffer(
            case.capacity, alpha=ALPHA, beta=0.0, weight_norm=False
        )

    def sample(self) -> Sampled:
        # faster than Batch.to_torch_, which would convert the columns that nobody needs too
        batch, index = self.buffer.sample(BATCH)
        return Sampled(
            from_numpy(batch.obs),
            from_numpy(batch.act),
            from_numpy(batch.rew),
            from_numpy(batch.obs_next),
            from_numpy(batch.terminated),
            index,
        )

    def update(self, index: Any, errors: torch.Tensor) -> None:
        self.buffer.update_weight(index, errors.numpy())

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
            Batch(
                obs=obs,
                act=action,
                rew=reward,
                obs_next=next_obs,
                terminated=terminated,
                truncated=truncated,
            )
        )

    def bulk(self, episode: Episode) -> Any:
        source = ReplayBuffer(STEPS)
        source.set_batch(
            Batch(
                obs=episode.obs,
                act=episode.action,
                rew=episode.reward,
                terminated=episode.terminated,
                truncated=episode.truncated,
                done=episode.terminated | episode.truncated,
                obs_next=episode.next_obs,
            )
        )
        source._size = STEPS  # set_batch leaves it at 0; ReplayBuffer.from_data does the same
        return source

    def add_bulk(self, episode: Any) -> object:
        return self.buffer.update(episode)
