"""Time the whole loop: 10,000 steps after the warm-up, and where the time goes.

    python -m benchmarks.train --json FILE [--quick] [--tasks HalfCheetah-v5,Humanoid-v5]
                               [--seeds 0:1] [--device cpu|cuda] [--execution compiled]

A short run comes first, which compiles. `share_collect` is physics and policy, `share_replay` the
buffer's work (storing, sampling, priorities), `share_update` the rest of the bursts,
`share_evaluate` the evaluations; what is left are files and reports.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest import mock

from benchmarks.results_file import claim, summary, write
from td7 import RunConfig, TD7Config, train
from td7.cli import parse_seeds
from td7.rollout.waves import Collector
from td7.training import evaluations
from td7.training.display import Progress
from td7.updates.batches import DeviceBatches, HostBatches
from td7.updates.groups import Group

TASKS = ("HalfCheetah-v5", "Humanoid-v5")
WARMUP_STEPS = 1000
LONGEST_EPISODE = 1000  # the warm-up may be that much longer
COMPILE_STEPS = 2 * LONGEST_EPISODE + 200  # of the first run: warm-up, an assessment, updates
PARTS: dict[str, list[tuple[Any, str]]] = {
    "collect": [(Collector, "run"), (Collector, "step")],
    "replay": [
        (Collector, "_store"),
        *(
            (batches, name)
            for batches in (HostBatches, DeviceBatches)
            for name in ("begin", "next")
        ),
        (HostBatches, "settle"),
        (HostBatches, "reset_max_priority"),
    ],
    "update": [(Group, "train")],
    "evaluate": [(evaluations, "evaluate")],
}


class Stopwatch:
    """Seconds of each part, in each thread; of a part within another, only the inner one's count.

    On a GPU one thread collects while another trains: shares may then sum up to more than 1.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._thread = threading.local()

    def reset(self) -> None:
        """Forget what was before the warm-up's end."""
        self.seconds.clear()
        self._thread.since = perf_counter()

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, timed as this part."""

        def call(*arguments: Any, **named: Any) -> Any:
            running = self._turn()
            running.append(part)
            try:
                return function(*arguments, **named)
            finally:
                self._turn().pop()

        return call

    def _turn(self) -> list[str]:
        """Count the time of the innermost part until now; return this thread's parts."""
        now, thread = perf_counter(), self._thread
        running: list[str] = thread.__dict__.setdefault("running", [])
        if running:
            self.seconds[running[-1]] += now - thread.since
        thread.since = now
        return running


@contextmanager
def watched(stopwatch: Stopwatch, on_learning: Callable[[], None]) -> Iterator[None]:
    """Time the parts of every run in this context."""
    started = Progress.learning_started

    def learning_started(progress: Progress) -> None:
        if progress._start is None:
            on_learning()
        started(progress)

    with ExitStack() as stack:
        for part, places in PARTS.items():
            for owner, name in places:
                function = stopwatch.timed(part, getattr(owner, name))
                stack.enter_context(mock.patch.object(owner, name, function))
        stack.enter_context(mock.patch.object(Progress, "learning_started", learning_started))
        yield


def measure(task: str, seeds: Sequence[int], steps: int, device: str, execution: Any) -> dict:
    """Train and return the metrics of the steps after the warm-up."""
    config = TD7Config(warmup_steps=WARMUP_STEPS, execution=execution)
    stopwatch, start = Stopwatch(), [0.0]

    def on_learning() -> None:
        stopwatch.reset()
        start[0] = perf_counter()

    with tempfile.TemporaryDirectory() as folder:

        def run(name: str, total: int) -> Any:
            where = RunConfig(out=Path(folder) / name, progress="none", tensorboard=False)
            return train(
                task, seeds=seeds, total_steps=total, config=config, run=where, device=device
            )

        if COMPILE_STEPS:
            assert run("compile", WARMUP_STEPS + COMPILE_STEPS).updates_per_s > 0
        with watched(stopwatch, on_learning):
            result = run("timed", WARMUP_STEPS + LONGEST_EPISODE + steps)
        wall_s = perf_counter() - start[0]
    shares = {f"share_{part}": stopwatch.seconds[part] / wall_s for part in PARTS}
    rates = {"env_steps_per_s": result.env_steps_per_s, "updates_per_s": result.updates_per_s}
    return rates | shares


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="1000 steps of one task, eager")
    parser.add_argument("--tasks", default=None, help="Gymnasium ids, separated by commas")
    parser.add_argument("--seeds", default="0", help="as of td7 train")
    parser.add_argument("--steps", type=int, default=None, help="after the warm-up: 10,000")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--execution", default=None, help="eager, compiled or graph")
    arguments = parser.parse_args(argv)
    quick = arguments.quick
    given = arguments.tasks or ("HalfCheetah-v5" if quick else ",".join(TASKS))
    arguments.tasks = [name for name in given.split(",") if name]
    arguments.steps = arguments.steps or (1000 if quick else 10_000)
    best = "graph" if arguments.device == "cuda" else "compiled"
    arguments.execution = arguments.execution or ("eager" if quick else best)
    return arguments


def main(argv: Sequence[str] | None = None) -> None:
    """Time, print and write the JSON file."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = parse(argv)
    claim(arguments.json)
    seeds, rows = parse_seeds(arguments.seeds), []
    for task in arguments.tasks:
        case = f"{task}/P{len(seeds)}/{arguments.device}"
        found = measure(task, seeds, arguments.steps, arguments.device, arguments.execution)
        for metric, value in found.items():
            rows.append(summary("td7", case, metric, [value]))
            print(f"{case} {metric} {value:.4g}")
    how = {"steps": arguments.steps, "execution": arguments.execution}
    write(arguments.json, "train", argv, rows, **how)


if __name__ == "__main__":
    main()
