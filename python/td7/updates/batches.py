"""Where the batches of a group's updates come from: the host's replay, or the device's.

Both draw the same and mask alike: a member that takes no part in an update neither draws nor
changes. Shape letters: P members of the group, M of them that take part, B batch, A action,
K updates whose draws are made at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from td7 import draws
from td7.agent.algorithm import Batch
from td7.replay import DeviceLapReplay, LapReplay, TensorBatch
from td7.updates.learner import Learner

AHEAD = 128  # updates whose draws are made at once for a device
FIELDS = ("obs", "action", "reward", "next_obs", "not_terminated")


class Batches(Protocol):
    """The batches of one group; `begin`, then `next`, `put` and `settle` in turn, then `end`."""

    @property
    def generation(self) -> int:
        """Changes when a graph of `next` and `put` must be made anew."""

    def begin(self, members: Sequence[int], count: int) -> int:
        """Prepare updates of these members [M] of the group; return how many, at most `count`."""

    def next(self) -> tuple[Batch, Tensor]:
        """Return the next update's transitions and its noise [P, B, A], on the device."""

    def put(self, td_error: Tensor, alive: Tensor) -> None:
        """Take the TD errors [P, B] of the members that are alive bool [P]."""

    def settle(self) -> bool:
        """Write these TD errors to the priorities. Return False if a member has failed."""

    def reset_max_priority(self, members: Sequence[int]) -> None:
        """Recompute the maximum priority of these members."""

    def end(self) -> None:
        """Give back the draws of updates that were not made; ValueError for a bad priority."""


class HostBatches:
    """Batches from `LapReplay`, of which the group is the members from `first` on.

    On a GPU the TD errors come back while the rest of the update still runs. The pinned buffer is
    filled again only after that, when it has long been copied.
    """

    def __init__(self, learner: Learner, replay: LapReplay, first: int) -> None:
        self.learner, self.replay, self.first = learner, replay, first
        self._draws = _Draws(learner, replay, first)
        self._members: list[int] = []

    @property
    def generation(self) -> int:
        """Graphs do not reach the host."""
        return 0

    def begin(self, members: Sequence[int], count: int) -> int:
        """Prepare updates of these members."""
        self._draws.begin(members)
        if self._members == list(members):
            return count
        learner, replay, self._members = self.learner, self.replay, list(members)
        sizes = learner.config.batch_size, replay.obs_size, replay.action_size
        self._chosen = np.array(members, np.int64) + self.first
        self._buffer = TensorBatch(len(members), *sizes, device=learner.device)
        pinned = learner.device.type == "cuda"
        # types are named: another thread's environments may change the process's default
        self._errors = torch.empty(
            learner.members, sizes[0], dtype=torch.float32, pin_memory=pinned
        )
        self._alive = torch.empty(learner.members, dtype=torch.bool, pin_memory=pinned)
        # the row of each member of the group; who takes no part sees another's batch
        rows = [self._members.index(m) if m in members else 0 for m in range(learner.members)]
        whole = rows == list(range(learner.members))
        self._rows = None if whole else torch.tensor(rows, device=learner.device)
        return count

    def next(self) -> tuple[Batch, Tensor]:
        """Sample by the priorities written so far; on a CPU the next call overwrites the batch."""
        buffer = self._buffer
        self.replay.sample(buffer.reward.shape[1], members=self._chosen, out=buffer.arrays)
        batch = Batch(*(self._there(getattr(buffer, name)) for name in FIELDS))
        counts = [self.learner.updates[m] for m in self._members]
        noise = _noise(self.learner, self._members, counts, self.replay.action_size)
        return batch, self._there(noise)

    def put(self, td_error: Tensor, alive: Tensor) -> None:
        """Begin to copy the TD errors to the host."""
        self._errors.copy_(td_error, non_blocking=True)
        self._alive.copy_(alive, non_blocking=True)
        if td_error.is_cuda:
            self._copied = torch.cuda.Event()
            self._copied.record()

    def settle(self) -> bool:
        """Wait for the TD errors and write the priorities."""
        if self.learner.device.type == "cuda":
            self._copied.synchronize()
        alive = self._alive[self._members].numpy()
        errors = self._errors[self._members].numpy()
        if self.replay.alpha > 0:  # else every priority stays 1
            index = self._buffer.arrays.index
            self.replay.update_priorities(index[alive], errors[alive], members=self._chosen[alive])
        return bool(alive.all())

    def reset_max_priority(self, members: Sequence[int]) -> None:
        """Recompute the maximum priority of these members, unless they have failed."""
        if self.replay.alpha == 0:
            return
        alive = [m + self.first for m in members if self._alive[m]]
        self.replay.reset_max_priority(np.array(alive, np.int64))

    def end(self) -> None:
        """Give back the draw of an update that failed."""
        self._draws.end()

    def _there(self, values: Tensor) -> Tensor:
        """Put values [M, ...] on the device, as rows of the group [P, ...]."""
        learner = self.learner
        there = values.to(learner.device, learner.dtype, non_blocking=True)
        return there if self._rows is None else there[self._rows]


class DeviceBatches:
    """Batches from `DeviceLapReplay`, which holds the group alone; all stays on the device.

    The draws of many updates are made on the host and copied at once; each update takes the next by
    a counter on the device, so that a CUDA graph of it can be launched again and again.
    """

    def __init__(self, learner: Learner, replay: DeviceLapReplay) -> None:
        self.learner, self.replay = learner, replay
        members, size = learner.members, learner.config.batch_size
        self._noise = torch.zeros(
            (AHEAD, members, size, replay.action_size), dtype=learner.dtype, device=learner.device
        )
        self._taken = torch.zeros(1, dtype=torch.int64, device=learner.device)
        self._uniforms = torch.empty(0, dtype=torch.float64)
        self._draws = _Draws(learner, replay, 0)

    @property
    def generation(self) -> int:
        """Changes when the replay's tensors were reallocated, or its tree gained a level."""
        return self.replay.generation

    def begin(self, members: Sequence[int], count: int) -> int:
        """Make the draws of up to AHEAD updates of these members."""
        learner, replay = self.learner, self.replay
        size, prepared = learner.config.batch_size, min(count, AHEAD)
        shape = (AHEAD, learner.members, replay.levels, size)
        if self._uniforms.shape != shape:
            self._uniforms = torch.zeros(shape, dtype=torch.float64, device=learner.device)
        self._draws.begin(members)
        uniforms = replay.uniforms(size, members=members, calls=prepared)
        counts = [learner.updates[m] for m in members]
        rows = learner.rows(members)
        there = uniforms.to(learner.device, non_blocking=True)
        self._uniforms[:prepared].index_copy_(1, rows, there)
        noise = torch.stack(
            [
                _noise(learner, members, [c + k for c in counts], replay.action_size)
                for k in range(prepared)
            ]
        )
        if learner.device.type == "cuda":
            noise = noise.pin_memory()
        there = noise.to(learner.device, learner.dtype, non_blocking=True)
        self._noise[:prepared].index_copy_(1, rows, there)
        self._taken.zero_()
        return prepared

    def next(self) -> tuple[Batch, Tensor]:
        """Sample on the device with the next of the draws."""
        uniforms = self._uniforms.index_select(0, self._taken)[0]
        noise = self._noise.index_select(0, self._taken)[0]
        self._taken += 1
        drawn = self.replay.sample(self._noise.shape[2], uniforms=uniforms)
        self._index = drawn.index
        return Batch(*(getattr(drawn, name).to(self.learner.dtype) for name in FIELDS)), noise

    def put(self, td_error: Tensor, alive: Tensor) -> None:
        """Write the priorities."""
        if self.replay.alpha > 0:
            self.replay.update_priorities(self._index, td_error.float(), where=alive)

    def settle(self) -> bool:
        """Nothing is waited for: who died is known at the burst's end."""
        return True

    def reset_max_priority(self, members: Sequence[int]) -> None:
        """Recompute the maximum priority of these members, unless they have failed."""
        if self.replay.alpha > 0:
            self.replay.reset_max_priority(where=self.learner.alive(members))

    def end(self) -> None:
        """Give back the draws of updates that were not made; see `raise_if_bad` of the replay."""
        self._draws.end()
        self.replay.raise_if_bad()


class _Draws:
    """Keeps a member's draws in step with its updates: those of updates not made are given back."""

    def __init__(self, learner: Learner, replay: LapReplay | DeviceLapReplay, first: int) -> None:
        self._learner, self._replay, self._first = learner, replay, first
        self._ahead: dict[int, int] = {}  # by member: draws less updates, as the burst found them

    def begin(self, members: Sequence[int]) -> None:
        """Note where members stand before their first draw of a burst."""
        for member in members:
            if member not in self._ahead:
                drawn = self._replay.draw_counter(member + self._first)
                self._ahead[member] = drawn - self._learner.updates[member]

    def end(self) -> None:
        """Put the counters where the updates that were made have brought them."""
        for member, ahead in self._ahead.items():
            drawn = ahead + self._learner.updates[member]
            self._replay.set_draw_counter(drawn, member + self._first)
        self._ahead.clear()


def _noise(
    learner: Learner, members: Sequence[int], counts: Sequence[int], action_size: int
) -> Tensor:
    """Draw the target noise [M, B, A] of members that have made `counts` [M] updates."""
    seeds, size = [learner.seeds[m] for m in members], learner.config.batch_size
    noise = draws.normal(seeds, "target_noise", counts, size * action_size)
    return torch.from_numpy(noise).view(len(members), size, action_size)
