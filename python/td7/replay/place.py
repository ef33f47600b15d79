"""Whether a run's transitions fit into the memory of a device, and the arithmetic of it."""

from __future__ import annotations

from typing import Literal

import torch

DEVICE_SHARE = 0.6  # of the free memory: the rest is for networks, activations and graphs
TREE_BYTES = 9  # a transition: priorities with room for short episodes, and the sums above them


def device_bytes(capacity: int, obs_size: int, action_size: int) -> int:
    """Return about how many bytes the transitions of one member take on a device."""
    row = 4 * (obs_size + action_size + 2)
    return capacity * (row + TREE_BYTES)


def free_bytes(device: torch.device) -> int | None:
    """Return the free memory of a CUDA device; None for any other device."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


def choose_replay(
    wanted: Literal["auto", "host", "device"], member_bytes: int, members: int, free: int | None
) -> Literal["host", "device"]:
    """Return where the transitions are kept; `free` is the device's memory, None without a GPU."""
    if wanted != "auto":
        return wanted
    if free is None:
        return "host"
    return "device" if members * member_bytes <= DEVICE_SHARE * free else "host"
