"""stable_baselines3's TD3 with two layers of 256: another algorithm, as orientation."""

from __future__ import annotations

from itertools import cycle

import gymnasium
import numpy as np
import torch
from stable_baselines3 import TD3
from stable_baselines3.common.logger import configure

from benchmarks.transitions import STEPS, Case, Episode
from benchmarks.updates.subject import Size


class StableBaselines3:
    """`TD3.train` on a full buffer, drawn uniformly."""

    name, members = "stable-baselines3 (TD3)", 1

    def __init__(self, size: Size, capacity: int, device: str) -> None:
        self.size, self.case = size, f"{size.name}/P1/float32/{device}/eager"
        self.model = TD3(
            "MlpPolicy",
            gymnasium.make(size.env),
            buffer_size=capacity,
            batch_size=256,
            policy_kwargs={"net_arch": [256, 256]},
            device=device,
        )
        self.model.set_logger(configure(None, []))
        buffer, rng = self.model.replay_buffer, np.random.default_rng(0)
        assert buffer is not None
        episodes = [Episode.random(Case(size.name, capacity), rng) for _ in range(16)]
        for start, episode in zip(range(0, capacity, STEPS), cycle(episodes), strict=False):
            rows = slice(start, start + STEPS)
            buffer.observations[rows, 0], buffer.actions[rows, 0] = episode.obs, episode.action
            buffer.next_observations[rows, 0] = episode.next_obs
            buffer.rewards[rows, 0] = episode.reward
        buffer.full = True

    def run(self, count: int) -> None:
        """Make `count` updates."""
        self.model.train(count, batch_size=256)
        if self.model.device.type == "cuda":
            torch.cuda.synchronize()
