"""The author's agent from a checkout of its TD7.py and buffer.py: one member, eager torch."""

from __future__ import annotations

import sys
from importlib import import_module
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.transitions import STEPS, Case, Episode
from benchmarks.updates.subject import Size


def load_author(folder: Path) -> Any:
    """Return the author's module; ImportError if the folder holds none."""
    if not (folder / "TD7.py").is_file():
        raise ImportError(f"--author-code has no TD7.py: {folder}")
    sys.path.insert(0, str(folder.resolve()))
    try:
        return import_module("TD7")
    finally:
        sys.path.pop(0)


class Author:
    """`Agent.train`, which chooses its device itself: a GPU where there is one."""

    name, members = "author", 1

    def __init__(self, module: Any, size: Size, capacity: int) -> None:
        self.size = size
        hp = module.Hyperparameters(buffer_size=capacity)
        self.agent = module.Agent(size.obs_size, size.action_size, 1.0, False, hp)
        self.case = f"{size.name}/P1/float32/{self.agent.device.type}/eager"
        buffer = self.agent.replay_buffer
        rng = np.random.default_rng(0)
        episodes = [Episode.random(Case(size.name, capacity), rng) for _ in range(16)]
        for start, episode in zip(range(0, capacity, STEPS), cycle(episodes), strict=False):
            rows = slice(start, start + STEPS)
            buffer.state[rows], buffer.action[rows] = episode.obs, episode.action
            buffer.next_state[rows], buffer.reward[rows, 0] = episode.next_obs, episode.reward
            buffer.not_done[rows, 0] = 1.0
        buffer.size, buffer.ptr = capacity, 0
        spread = torch.from_numpy(rng.exponential(2, capacity).astype(np.float32))
        buffer.priority[:capacity] = spread.clamp(min=1).pow(0.4).to(buffer.priority.device)

    def run(self, count: int) -> None:
        """Make `count` updates."""
        for _ in range(count):
            self.agent.train()
        if self.agent.device.type == "cuda":
            torch.cuda.synchronize()
