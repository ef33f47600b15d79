"""What breaks the loop off at the next safe moment: a signal for good, a save for a moment."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any


class StopSignal:
    """Within the context the first SIGINT, SIGTERM or SIGHUP asks for a stop, a second interrupts.

    A SIGHUP that is ignored, as under nohup, stays ignored.
    """

    def __init__(self) -> None:
        self.hold = False  # while True, a further signal waits
        self._stopped = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignal:
        # only the main thread may install handlers; elsewhere the caller's own remain
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                    continue
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


class Breaks:
    """Whether the loop is to break off: stopped for good, or since a save is due.

    Every save_every_s seconds or save_every_steps of steps(), 0 for never, since `saved`; a
    save by the clock waits until saving takes no more than a twentieth of the time.
    """

    def __init__(
        self,
        stopped: Callable[[], bool],
        steps: Callable[[], int],
        save_every_s: float,
        save_every_steps: int,
    ) -> None:
        self.stopped, self._steps = stopped, steps
        self._every_s, self._every_steps = save_every_s, save_every_steps
        self.saved(0.0)

    def saved(self, took_s: float) -> None:
        """Note that the state has just been saved, or could not be, and how long that took."""
        self._saved_at, self._saved_steps = time.monotonic(), self._steps()
        self._wait_s = max(self._every_s, 20 * took_s)

    def steps_left(self) -> int | None:
        """Return the steps until a save is due, at least one; None where steps do not matter."""
        if not self._every_steps:
            return None
        return max(1, self._saved_steps + self._every_steps - self._steps())

    def __call__(self) -> bool:
        """Whether the loop is to break off; asked from any thread."""
        return self.stopped() or self._save_due()

    def _save_due(self) -> bool:
        if self._every_s and time.monotonic() - self._saved_at >= self._wait_s:
            return True
        return bool(self._every_steps) and (self._steps() - self._saved_steps >= self._every_steps)
