"""A burst: the updates that members owe, dealt out and made one after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from td7 import draws
from td7.agent.learner import Batch, Learner, effective_rank
from td7.agent.schedule import burst_schedule
from td7.replay import LapReplay, TensorBatch
from td7.training.progress import Progress


class UpdateMetrics:
    """Means of each member's update metrics since the last `pop`; of a *_max, the largest."""

    def __init__(self, members: int) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, list[int]] = {}
        self._members = members

    def add(self, members: Sequence[int], metrics: dict[str, Tensor]) -> None:
        """Add one update's metrics [len(members)], without reading them off the device."""
        for name, value in metrics.items():
            if name not in self._sums:
                self._sums[name] = value.new_full((self._members,), self._empty(name))
                self._counts[name] = [0] * self._members
            index = list(members)
            so_far = self._sums[name][index]
            together = torch.maximum(so_far, value) if name.endswith("_max") else so_far + value
            self._sums[name][index] = together
            for member in members:
                self._counts[name][member] += 1

    def pop(self, member: int) -> dict[str, float]:
        """Return this member's values and start anew."""
        means = {}
        for name, total in self._sums.items():
            if count := self._counts[name][member]:
                means[name] = total[member].item() / (1 if name.endswith("_max") else count)
                total[member], self._counts[name][member] = self._empty(name), 0
        return means

    @staticmethod
    def _empty(name: str) -> float:
        return -math.inf if name.endswith("_max") else 0.0


def train_burst(
    learner: Learner,
    replay: LapReplay,
    debts: list[int],
    metrics: UpdateMetrics,
    progress: Progress,
    stopped: Callable[[], bool],
) -> None:
    """Pay the debts [P], in place; a stop between two updates leaves the rest owed.

    Raises NonFiniteLossError when a loss stops being finite, with the members put back.
    """
    schedule = burst_schedule(learner.updates, debts, learner.config.policy_period)
    for members, count in schedule:
        everyone = len(members) == learner.members
        part = learner if everyone else learner.take(members)
        config = learner.config
        sizes = config.batch_size, replay.obs_size, replay.action_size
        rows = TensorBatch(len(members), *sizes, device=learner.min_target.device)
        try:
            for _ in range(count):
                if stopped():
                    break
                metrics.add(members, _train_once(part, replay, members, rows))
                for member in members:
                    debts[member] -= 1
                    progress.updates[member] += 1
        finally:
            if not everyone:
                learner.put(members, part)
        if stopped():
            break


def _train_once(
    learner: Learner, replay: LapReplay, members: Sequence[int], rows: TensorBatch
) -> dict[str, Tensor]:
    """Sample, update, hand the new priorities back, and return the update's metrics.

    On a CPU the learner's batch is `rows` itself, which the next sample overwrites.
    """
    config, device, dtype = learner.config, learner.min_target.device, learner.min_target.dtype

    def tensor(values: Tensor) -> Tensor:
        return values.to(device=device, dtype=dtype)

    chosen = np.array(members, np.int64)
    replay.sample(config.batch_size, members=chosen, out=rows.arrays)
    batch = Batch(
        tensor(rows.obs),
        tensor(rows.action),
        tensor(rows.reward),
        tensor(rows.next_obs),
        tensor(rows.not_terminated),
    )
    size = batch.action[0].numel()
    noise = draws.normal(learner.seeds, "target_noise", learner.updates, size)
    td_error, values = learner.update(batch, tensor(torch.from_numpy(noise)).view_as(batch.action))
    replay.update_priorities(rows.arrays.index, td_error.float().cpu().numpy(), members=chosen)
    period = config.target_update_period
    due = chosen[np.array(learner.updates) % period == 0]
    if len(due):
        replay.reset_max_priority(due)
        rank = effective_rank(learner.fixed_encoder.zs(batch.obs))
        values["train/zs_effective_rank"] = rank
    return values
