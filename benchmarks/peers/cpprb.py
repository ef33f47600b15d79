"""cpprb.PrioritizedReplayBuffer."""

from __future__ import annotations

from typing import Any

import cpprb
import torch
from torch import from_numpy

from benchmarks.peers.subject import Sampled, Subject
from benchmarks.transitions import ALPHA, BATCH, Case, Episode


class Peer(Subject):
    """Without `next_of`, which halves the memory but samples slower; its arrays become tensors."""

    name = "cpprb"
    packages = ("cpprb",)

    def __init__(self, case: Case) -> None:
        columns = {
            "obs": {"shape": case.obs_size},
            "act": {"shape": case.action_size},
            "rew": {},
            "next_obs": {"shape": case.obs_size},
            "done": {},
        }
        self.buffer = cpprb.PrioritizedReplayBuffer(case.capacity, columns, alpha=ALPHA)

    def sample(self) -> Sampled:
        # LAP has no weights: beta 0 is the cheapest; from_numpy shares the new arrays' memory
        batch = self.buffer.sample(BATCH, beta=0.0)
        return Sampled(
            from_numpy(batch["obs"]),
            from_numpy(batch["act"]),
            from_numpy(batch["rew"]),
            from_numpy(batch["next_obs"]),
            from_numpy(batch["done"]),
            batch["indexes"],
        )

    def update(self, index: Any, errors: torch.Tensor) -> None:
        self.buffer.update_priorities(index, errors.numpy())

    def add(
        self,
        obs: Any,
        action: Any,
        reward: float,
        next_obs: Any,
        terminated: bool,
        truncated: bool,
    ) -> object:
        self.buffer.add(obs=obs, act=action, rew=reward, next_obs=next_obs, done=terminated)
        return self.buffer.on_episode_end() if terminated or truncated else None

    def bulk(self, episode: Episode) -> Any:
        return {
            "obs": episode.obs,
            "act": episode.action,
            "rew": episode.reward,
            "next_obs": episode.next_obs,
            "done": episode.terminated.astype("float32"),
        }

    def add_bulk(self, episode: Any) -> object:
        self.buffer.add(**episode)
        return self.buffer.on_episode_end()
