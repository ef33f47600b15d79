"""stable_baselines3's ReplayBuffer, which draws uniformly: it has no priorities to update."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box
from stable_baselines3.common.buffers import ReplayBuffer

from benchmarks.peers.subject import Sampled, Subject
from benchmarks.transitions import BATCH, STEPS, Case, Episode

GOES_ON: list[dict[str, Any]] = [{}]
OUT_OF_TIME: list[dict[str, Any]] = [{"TimeLimit.truncated": True}]


class Peer(Subject):
    """As its algorithms make it, which samples faster than its memory-saving variant."""

    name = "stable-baselines3 (uniform)"
    packages = ("stable-baselines3",)
    metrics = ("sample_us", "add_us")

    def __init__(self, case: Case) -> None:
        spaces = Box(-1, 1, (case.obs_size,)), Box(-1, 1, (case.action_size,))
        self.buffer = ReplayBuffer(case.capacity, *spaces, device="cpu")

    def sample(self) -> Sampled:
        batch = self.buffer.sample(BATCH)
        return Sampled(
            batch.observations,
            batch.actions,
            batch.rewards,
            batch.next_observations,
            batch.dones,
            None,
        )

    def add(
        self,
        obs: Any,
        action: Any,
        reward: float,
        next_obs: Any,
        terminated: bool,
        truncated: bool,
    ) -> object:
        infos = OUT_OF_TIME if truncated else GOES_ON
        return self.buffer.add(obs, next_obs, action, reward, terminated or truncated, infos)

    def fill(self, start: int, episode: Episode) -> None:
        rows = slice(start, start + STEPS)
        self.buffer.observations[rows, 0] = episode.obs
        self.buffer.next_observations[rows, 0] = episode.next_obs
        self.buffer.actions[rows, 0] = episode.action
        self.buffer.rewards[rows, 0] = episode.reward
        self.buffer.dones[rows, 0] = episode.terminated | episode.truncated
        self.buffer.timeouts[rows, 0] = episode.truncated
        self.buffer.full = rows.stop == self.buffer.buffer_size
        self.buffer.pos = rows.stop % self.buffer.buffer_size

    def spread_priorities(self, capacity: int, rng: np.random.Generator) -> None:
        """Leave all as it is: there are none."""
