"""Replay buffers: LAP in host memory (C++) and on a torch device. Not here: how a batch is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from td7.replay.batch import Batch
from td7.replay.host import LapReplay

if TYPE_CHECKING:
    from td7.replay.device import DeviceLapReplay
    from td7.replay.device_rows import DeviceBatch
    from td7.replay.tensors import TensorBatch

__all__ = ["Batch", "DeviceBatch", "DeviceLapReplay", "LapReplay", "TensorBatch"]

_HOMES = {
    "DeviceBatch": "td7.replay.device_rows",
    "DeviceLapReplay": "td7.replay.device",
    "TensorBatch": "td7.replay.tensors",
}


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first used: LapReplay does without."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'td7.replay' has no attribute {name!r}")
