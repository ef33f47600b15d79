"""Times subjects in turn: each round gives the mean time of a call, in microseconds."""

from __future__ import annotations

import copy
import gc
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from time import perf_counter_ns
from typing import Any

import numpy as np
import torch

from benchmarks.peers.subject import ADD_METRICS, CYCLE_METRICS, Subject
from benchmarks.transitions import BATCH, STEPS, Episode, td_errors

SWEPT_BYTES = 16 * 1024 * 1024
DRAWN_BEFORE = 64  # batches of indices that are updated in turn where sampling is not timed

Call = tuple[Callable[..., object], list[tuple[Any, ...]]]  # a function, arguments for its calls


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int = 15
    hot_ms: float = 8.0  # a hot round lasts about that long
    swept_calls: int = 20  # in a swept round


@dataclass
class Clock:
    """Holds what all timings share, and the round means of each (state, metric) by name."""

    effort: Effort
    episodes: Sequence[Episode]
    rng: np.random.Generator
    means: dict[tuple[str, str, str], list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )
    swept: np.ndarray[Any, Any] = field(
        default_factory=lambda: np.zeros(SWEPT_BYTES // 4, np.float32)
    )

    def compare(self, subjects: Sequence[Subject]) -> None:
        """Time all that the subjects can do, metric by metric, the subjects in turn."""
        for metric in CYCLE_METRICS:
            for state in ("hot", "swept"):
                self._rounds(state, metric, subjects)
        for metric in ADD_METRICS:  # last: what they add has not the spread priorities
            self._rounds("hot", metric, subjects)

    def _rounds(self, state: str, metric: str, subjects: Sequence[Subject]) -> None:
        calls = []
        for subject in subjects:
            if metric in subject.metrics:
                subject.begin_round()
                calls.append((subject, self._calls(state, metric, subject)))
        for _ in range(self.effort.rounds):
            for subject, call in calls:
                subject.begin_round()
                mean = self._swept_round(*call) if state == "swept" else hot_round(*call)
                self.means[subject.name, state, metric].append(mean)

    def _calls(self, state: str, metric: str, subject: Subject) -> Call:
        """Return a warmed-up function and the arguments of one round's calls."""
        function, arguments = self._work(metric, subject)
        # the first calls compile or allocate; the next ones tell how many make a round
        hot_round(function, arguments[:3])
        call_us = min(hot_round(function, arguments[:5]) for _ in range(5))
        wanted = max(3, int(self.effort.hot_ms * 1000 / call_us))
        count = self.effort.swept_calls if state == "swept" else wanted
        if metric == "add_us":
            count = STEPS * max(1, wanted // STEPS)  # whole episodes
        return function, list(islice(cycle(arguments), count))

    def _work(self, metric: str, subject: Subject) -> Call:
        errors = torch.from_numpy(td_errors(BATCH, self.rng)).reshape(subject.error_shape)
        if metric == "sample_us":
            return subject.sample, [()] * DRAWN_BEFORE
        if metric == "cycle_us":
            return lambda: subject.update(subject.sample().index, errors), [()] * DRAWN_BEFORE
        if metric == "update_us":
            drawn = [copy.deepcopy(subject.sample().index) for _ in range(DRAWN_BEFORE)]
            return subject.update, [(index, errors) for index in drawn]
        if metric == "add_us":
            return subject.add, self.episodes[0].transitions()
        return subject.add_bulk, [(subject.bulk(episode),) for episode in self.episodes]

    def _swept_round(
        self, function: Callable[..., object], arguments: list[tuple[Any, ...]]
    ) -> float:
        total = 0
        gc.disable()
        for values in arguments:
            self.swept += 1.0  # reads and writes all of it: it takes the caches' place of others
            start = perf_counter_ns()
            function(*values)
            total += perf_counter_ns() - start
        gc.enable()
        return total / len(arguments) / 1000


def hot_round(function: Callable[..., object], arguments: list[tuple[Any, ...]]) -> float:
    """Return the mean time of back-to-back calls, without garbage collection as in timeit."""
    gc.disable()
    start = perf_counter_ns()
    for values in arguments:
        function(*values)
    total = perf_counter_ns() - start
    gc.enable()
    return total / len(arguments) / 1000


def check(subject: Subject, obs_size: int, action_size: int) -> None:
    """Refuse to time a subject whose batch is not all that a learner needs, as CPU tensors."""
    drawn = subject.sample()
    wanted = {
        "obs": BATCH * obs_size,
        "action": BATCH * action_size,
        "reward": BATCH,
        "next_obs": BATCH * obs_size,
        "ended": BATCH,
    }
    for name, numbers in wanted.items():
        tensor = getattr(drawn, name)
        if tensor.shape[0] != BATCH or tensor.numel() != numbers or tensor.device.type != "cpu":
            raise AssertionError(f"{subject.name}: {name} has shape {list(tensor.shape)}")
        if name != "ended" and tensor.dtype != torch.float32:
            raise AssertionError(f"{subject.name}: {name} is {tensor.dtype}, not float32")


def fill(subject: Subject, capacity: int, episodes: Sequence[Episode]) -> None:
    """Add whole episodes until the buffer is full."""
    for start, episode in zip(range(0, capacity, STEPS), cycle(episodes), strict=False):
        subject.fill(start, episode)
