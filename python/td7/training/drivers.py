"""Drivers of the loops: they make the updates of the members that a loop yields."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from td7.run.state import RunState

Loop = Generator[list[int], None, None]
OnUpdates = Callable[[Sequence[int], int], None]


def one_after_another(
    loop: Loop, run: RunState, stopped: Callable[[], bool], on_updates: OnUpdates
) -> None:
    """Make each burst at once, in this thread, one group after another."""
    owing = next(loop, None)
    while owing is not None:
        failure = None
        for group in run.groups:
            if failure is None and not set(owing).isdisjoint(group.members):
                try:
                    with run.debts(group) as debts:
                        group.train(debts, stopped, on_updates)
                except Exception as error:
                    failure = error
        owing = next(loop, None) if failure is None else loop.throw(failure)


def in_turn(
    loops: Sequence[Loop], run: RunState, stopped: Callable[[], bool], on_updates: OnUpdates
) -> None:
    """Make the bursts of one loop in another thread, while the next loop collects."""

    def train(owing: Sequence[int]) -> None:
        for group in run.groups:
            if not set(owing).isdisjoint(group.members):
                with run.debts(group) as debts:
                    group.train(debts, stopped, on_updates)

    waiting, training = deque(loops), loops[0]
    burst: Future[None] | None = None  # of the loop `training`
    with ThreadPoolExecutor(1) as pool:
        while waiting or burst is not None:
            loop = waiting.popleft() if waiting else None
            try:
                owing = None if loop is None else next(loop, None)
            except Exception as error:  # the other loop counts its burst, then both end
                if burst is not None:
                    training.throw(burst.exception() or error)
                raise
            if burst is not None:
                if failure := burst.exception():
                    training.throw(failure)
                waiting.append(training)
                burst = None
            if loop is not None and owing is not None:
                training, burst = loop, pool.submit(train, owing)
