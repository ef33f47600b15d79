"""LAP's priorities from TD errors, as pure functions on tensors; what cannot be written is marked.

Shape letters: M members, B batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from td7.replay.device_tree import MAX_WEIGHT

FAULTS = (
    "a td_error was negative or not finite",
    "a td_error was too large: its priority exceeds 2^96",
    "an index held no transition",
)


def priorities(td_error: Tensor, live: Tensor, alpha: float, floor: float) -> tuple[Tensor, Tensor]:
    """Return max(td_error, min_priority)^alpha float32 [M, B] and faults bool [M, B, FAULTS].

    td_error float32 [M, B]; live bool [M, B]: whether there is a transition; `floor` is
    min_priority^alpha, a float32: as powers and rounding keep the order, it can be applied last.
    """
    power = td_error.double().pow(alpha)
    fits = (td_error >= 0) & (td_error < torch.inf)
    faults = torch.stack((~fits, fits & (power > MAX_WEIGHT), ~live), -1)
    return power.float().clamp(min=floor), faults


def last_of_equals(slot: Tensor, value: Tensor, good: Tensor, otherwise: Tensor) -> Tensor:
    """Give each place [M, B] the value of the last good one of the same slot, if there is one.

    So equal slots get equal values, and the order in which they are written does not matter.
    """
    place = torch.arange(slot.shape[1], device=slot.device)
    same = (slot[:, :, None] == slot[:, None, :]) & good[:, None, :]
    last = torch.where(same, place, -1).amax(-1)
    return torch.where(last >= 0, value.gather(1, last.clamp(min=0)), otherwise)
