"""Metrics of updates, summed up on the device, where nothing waits for them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from td7.updates.learner import StepResult


class UpdateMetrics:
    """Means of each member's update metrics since the last `pop`; of a *_max, the largest."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}  # [P] each, and their counts
        self._counts: dict[str, Tensor] = {}

    def add(self, result: StepResult) -> None:
        """Add one update's metrics of the members that took the step."""
        for name, value in result.metrics.items():
            self._add_name(name, value)
            sums, nothing = self._sums[name], torch.full_like(value, self._empty(name))
            new = torch.where(result.alive, value, nothing)
            torch.maximum(sums, new, out=sums) if name.endswith("_max") else sums.add_(new)
            self._counts[name].add_(result.alive)

    def put(self, metrics: Mapping[str, Tensor], members: Sequence[int]) -> None:
        """Set metrics [P] that are not means, of these members, in place of those before."""
        for name, value in metrics.items():
            self._add_name(name, value)
            for member in members:
                self._sums[name][member], self._counts[name][member] = value[member], 1

    def pop(self, member: int) -> dict[str, float]:
        """Return this member's values and start anew."""
        means = {}
        for name, total in self._sums.items():
            if count := self._counts[name][member].item():
                means[name] = total[member].item() / (1 if name.endswith("_max") else count)
                total[member], self._counts[name][member] = self._empty(name), 0
        return means

    def state(self, member: int) -> dict[str, list[float]]:
        """Return a member's sums and counts, for `restore`."""
        return {
            name: [total[member].item(), self._counts[name][member].item()]
            for name, total in self._sums.items()
            if self._counts[name][member]
        }

    def restore(self, member: int, state: Mapping[str, Sequence[float]], like: Tensor) -> None:
        """Put a member's sums and counts back; like [P] says where and of what type they are."""
        for name, (total, count) in state.items():
            self._add_name(name, like)
            self._sums[name][member], self._counts[name][member] = total, count

    def _add_name(self, name: str, like: Tensor) -> None:
        if name not in self._sums:
            self._sums[name] = torch.full_like(like, self._empty(name))
            self._counts[name] = torch.zeros_like(like)

    @staticmethod
    def _empty(name: str) -> float:
        return -math.inf if name.endswith("_max") else 0.0
