"""A stop that waits for the next safe moment: SIGINT and SIGTERM set a flag that the loop reads."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class StopSignal:
    """Within the context the first SIGINT or SIGTERM asks for a stop, the second one interrupts."""

    def __init__(self) -> None:
        self.hold = False  # while True, a further signal waits
        self._stopped = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignal:
        # only the main thread may install handlers; elsewhere the caller's own remain
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        """Whether a stop was asked for."""
        return self._stopped

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._stopped and not self.hold:
            raise KeyboardInterrupt
        self._stopped = True
