"""Which indices of a device replay are stale: the numbers of csrc/replay/slot_ledger.h as tensors.

Each time a segment of slots is begun it gets a new number. A draw remembers how many there were; a
slot still holds what was drawn if it holds a transition and its segment's number is not above that.

Shape letters: P members, M members of one call, B slots of each. `members` is int64 [M, 1].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from td7.replay.batch import Int64

if TYPE_CHECKING:
    from td7._core import LapLedgers


class DeviceSegments:
    """The number of each segment of P members; the host's ledgers decide them."""

    def __init__(self, ledgers: LapLedgers, members: int, device: torch.device) -> None:
        self._ledgers = ledgers
        self._slots = ledgers.segment_slots(0)
        segments = ledgers.max_slots(0) // self._slots
        self._numbers = torch.zeros(members, segments, dtype=torch.int64, device=device)
        self._begun = torch.zeros(members, dtype=torch.int64, device=device)
        self._known = [0] * members  # the same on the host

    @property
    def nbytes(self) -> int:
        """Bytes held on the device."""
        return self._numbers.nbytes + self._begun.nbytes

    def follow(self, member: int, slots: Int64) -> None:
        """Take over the numbers of these slots' segments, if one has been begun since."""
        begun = self._ledgers.segments_begun(member)
        if begun == self._known[member]:
            return
        numbers = torch.tensor(self._ledgers.numbers_of(member, slots.tolist()))
        segments = torch.from_numpy(slots // self._slots)
        device = self._numbers.device
        self._numbers[member, segments.to(device)] = numbers.to(device)
        self._begun[member] = begun
        self._known[member] = begun

    def replace(self, member: int) -> None:
        """Make everything drawn before stale, after the ledger was loaded or cleared."""
        self._known[member] = begun = self._ledgers.segments_begun(member)
        self._numbers[member] = begun
        self._begun[member] = begun

    def begun(self, members: Tensor) -> Tensor:
        """Return how many segments have been begun, int64 [M], to be kept with a draw."""
        return self._begun[members[:, 0]]

    def hold_since(self, members: Tensor, slots: Tensor, drawn_at: Tensor) -> Tensor:
        """Return bool [M, B]: whether slots int64 [M, B] were last begun before drawn_at [M]."""
        return self._numbers[members, slots // self._slots] <= drawn_at[:, None]
