"""The LAP class in the buffer.py of the author's TD7, loaded from a checkout."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import torch

from benchmarks.peers.subject import CYCLE_METRICS, Sampled, Subject
from benchmarks.transitions import ALPHA, BATCH, STEPS, Case, Episode


def load_author(folder: Path) -> Callable[[Case], Subject]:
    """Return what builds the author's buffer; ImportError if the folder has none."""
    path = folder / "buffer.py"
    spec = spec_from_file_location("author_buffer", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise ImportError(f"--author-code has no buffer.py: {folder}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda case: Author(module.LAP, case)


class Author(Subject):
    """Its `sample` makes the tensors; the caller raises the priorities, as TD7.train does."""

    name = "author"
    metrics = (*CYCLE_METRICS, "add_us")
    number_bytes = 8

    def __init__(self, lap: Any, case: Case) -> None:
        self.capacity = case.capacity
        device = torch.device("cpu")
        self.buffer = lap(
            case.obs_size, case.action_size, device, max_size=case.capacity, batch_size=BATCH
        )

    def sample(self) -> Sampled:
        obs, action, next_obs, reward, not_done = self.buffer.sample()
        return Sampled(obs, action, reward, next_obs, not_done, self.buffer.ind)

    def update(self, index: Any, errors: torch.Tensor) -> None:
        self.buffer.ind = index
        self.buffer.update_priority(errors.clamp(min=1.0).pow(ALPHA))

    def add(
        self,
        obs: Any,
        action: Any,
        reward: float,
        next_obs: Any,
        terminated: bool,
        truncated: bool,
    ) -> object:
        return self.buffer.add(obs, action, next_obs, reward, float(terminated))

    def fill(self, start: int, episode: Episode) -> None:
        rows = slice(start, start + STEPS)
        self.buffer.state[rows] = episode.obs
        self.buffer.action[rows] = episode.action
        self.buffer.next_state[rows] = episode.next_obs
        self.buffer.reward[rows, 0] = episode.reward
        self.buffer.not_done[rows, 0] = ~episode.terminated
        self.buffer.priority[rows] = self.buffer.max_priority
        self.buffer.ptr = rows.stop % self.capacity
        self.buffer.size = rows.stop
