"""Replay buffers: LAP in host memory (C++). Not here: how a batch is trained on."""

from td7.replay.host import Batch, LapReplay

__all__ = ["Batch", "LapReplay"]
