"""The transitions of P members as packed rows of one tensor, laid out as in row_store.h.

A row is obs, action, reward, not_terminated; next_obs of a row is the obs of the next one. Not
here: which slots hold what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(slots=True)
class DeviceBatch:
    """Transitions drawn for M members, as tensors on the device; fields as in `Batch`.

    obs, action, reward, next_obs and not_terminated are views of one tensor.
    """

    obs: Tensor  # float32 [M, B, S]
    action: Tensor  # float32 [M, B, A]
    reward: Tensor  # float32 [M, B]
    next_obs: Tensor  # float32 [M, B, S]
    not_terminated: Tensor  # float32 [M, B]
    index: Tensor  # int64 [M, B]
    probability: Tensor | None = None  # float64 [M, B]
    drawn_at: Tensor | None = None  # int64 [M]


def slots_for_long_episodes(capacity: int, segment_slots: int, streams: int) -> int:
    """Return how many slots hold `capacity` transitions in episodes of 500 steps or more."""
    slots = capacity + capacity // 500
    segments = -(-slots // (segment_slots - 1)) + 2 * streams + 2
    return segments * segment_slots


class DeviceRows:
    """Rows float32 [P, slots, S + A + 2], zeros at first; slots are added as they are needed."""

    def __init__(
        self, members: int, slots: int, obs_size: int, action_size: int, device: torch.device
    ) -> None:
        self.obs_size, self.action_size = obs_size, action_size
        self._hold(
            torch.zeros(
                members, slots, obs_size + action_size + 2, dtype=torch.float32, device=device
            )
        )

    def _hold(self, rows: Tensor) -> None:
        members, slots, width = rows.shape
        self.values = rows
        # [P, slots - 1, row and next obs]: overlapping, to be read only
        self._windows = rows.as_strided(
            (members, slots - 1, width + self.obs_size), (slots * width, width, 1)
        )

    @property
    def width(self) -> int:
        """Numbers a row."""
        return self.values.shape[-1]

    def reserve(self, slots: int, most: int) -> bool:
        """Hold at least `slots` <= `most` slots; return whether the tensor was made anew.

        It grows by a quarter. The old tensor and the new one are held for a moment.
        """
        members, held, width = self.values.shape
        if slots <= held:
            return False
        grown = min(max(slots, held + held // 4), most)
        rows = self.values.new_zeros(members, grown, width)
        rows[:, :held] = self.values
        self._hold(rows)
        return True

    def write(self, member: int, packed: Tensor, runs: Sequence[tuple[int, int]]) -> None:
        """Store rows [T + 1, width], the last of which is an obs only.

        A run (slot, count) takes the next `count` of them, and the slot after it the obs of the
        row after them.
        """
        here, done = self.values[member], 0
        for slot, count in runs:
            here[slot : slot + count] = packed[done : done + count]
            done += count
            here[slot + count, : self.obs_size] = packed[done, : self.obs_size]

    def write_each(self, member: int, packed: Tensor, next_obs: Tensor, slots: Tensor) -> None:
        """Store rows [N, width] in slots int64 [N], and next_obs [N, S] in the slots after them."""
        here = self.values[member]
        here[slots] = packed
        here[slots + 1, : self.obs_size] = next_obs

    def replace(self, member: int, rows: Tensor) -> None:
        """Make `rows` the first ones, and the rest zeros."""
        self.values[member, : len(rows)] = rows
        self.values[member, len(rows) :] = 0

    def gather(self, members: Tensor, slots: Tensor) -> DeviceBatch:
        """Read the transitions at slots int64 [M, B] of members int64 [M, 1] in one gather."""
        sizes = (self.obs_size, self.action_size, 1, 1, self.obs_size)
        parts = self._windows[members, slots].split(sizes, -1)
        obs, action, reward, not_terminated, next_obs = parts
        return DeviceBatch(obs, action, reward[..., 0], next_obs, not_terminated[..., 0], slots)
