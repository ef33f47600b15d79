"""Time saving and loading the state of a run whose replay is full; training waits while it saves.

    python -m benchmarks.save --json FILE [--folder DIR] [--quick] [--tasks HalfCheetah-v5,...]

`first` writes everything; `next` follows 10,000 more steps and updates, and writes what has changed
since. `load` reads a state that is not in the system's cache, checks it and restores it. A share is
the time that the disk takes to write (read) as many bytes in one file, measured beside it, by the
time taken.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from benchmarks.results_file import claim, summary, write
from td7 import RunConfig, TD7Config
from td7.files.whole import sync
from td7.run.folder import RunSettings
from td7.run.saving import load_state, save_state
from td7.run.state import RunState

TASKS = ("HalfCheetah-v5", "Humanoid-v5")
STEPS = 10_000  # between two saves, each with an update
EPISODE = 1000
BLOCK = bytes(2**20)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and write the file."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk to be measured")
    parser.add_argument("--quick", action="store_true", help="a small buffer, once: a trial")
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=TASKS)
    given = parser.parse_args(argv)
    claim(given.json)
    rows: list[dict[str, Any]] = []
    for task in given.tasks:
        capacity, rounds = (60_000, 1) if given.quick else (1_000_000, 5)
        with tempfile.TemporaryDirectory(dir=given.folder, prefix="td7-save-") as folder:
            rows += measure(task, capacity, rounds, Path(folder))
    write(given.json, "save", argv, rows)


def measure(task: str, capacity: int, rounds: int, folder: Path) -> list[dict[str, Any]]:
    """Return the rows of one task: rounds of a first save, the next one, and a load."""
    run = _opened(task, capacity)
    rng = np.random.default_rng(0)
    _add(run, rng, capacity)
    figures: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for name in ("state", "state.old"):
            shutil.rmtree(folder / name, ignore_errors=True)
        for case in ("first", "next"):
            if case == "next":
                _add(run, rng, STEPS)
                _update(run, rng, STEPS)
            seconds = _timed(lambda: save_state(run, folder, wall_s=0.0, metrics_bytes=0))
            size = sum(path.stat().st_size for path in _written(folder))
            _note(figures, case, seconds, size, _disk_write_s(folder, size))
        size = sum(path.stat().st_size for path in _forgotten(folder / "state"))
        other = _opened(task, capacity)
        seconds = _timed(lambda other=other: load_state(other, folder))
        other.close()
        _note(figures, "load", seconds, size, _disk_read_s(folder, size))
    run.close()
    name = task.removesuffix("-v5").lower()
    return [
        summary("td7", f"{name}/{case}", metric, values)
        for (case, metric), values in figures.items()
    ]


def _note(
    figures: dict[tuple[str, str], list[float]], case: str, seconds: float, size: int, disk_s: float
) -> None:
    found = {"seconds": seconds, "megabytes": size / 1e6, "share_of_disk": disk_s / seconds}
    for metric, value in found.items():
        figures.setdefault((case, metric), []).append(value)


def _opened(task: str, capacity: int) -> RunState:
    config = TD7Config(buffer_capacity=capacity, replay="host", execution="eager")
    threads = torch.get_num_threads()
    return RunState(RunSettings(task, (0,), 2 * capacity, "cpu", threads, config), RunConfig())


def _add(run: RunState, rng: np.random.Generator, steps: int) -> None:
    replay = run.replays[0]
    for _ in range(steps // EPISODE):
        obs = rng.standard_normal((EPISODE + 1, replay.obs_size), dtype=np.float32)
        action = rng.standard_normal((EPISODE, replay.action_size), dtype=np.float32)
        replay.add_episode(obs, action, rng.standard_normal(EPISODE, dtype=np.float32), False)


def _update(run: RunState, rng: np.random.Generator, updates: int) -> None:
    """Give drawn transitions new priorities, as updates do."""
    replay = run.replays[0]
    for _ in range(updates):
        index = replay.sample(256).index
        replay.update_priorities(index, rng.random((1, 256), dtype=np.float32) * 4)


def _written(folder: Path) -> Iterator[Path]:
    """Yield the files of the last save that the one before it has not."""
    for path in (folder / "state").rglob("*"):
        if path.is_file() and path.stat().st_nlink == 1:
            yield path


def _forgotten(state: Path) -> Iterator[Path]:
    """Yield the files of a state, each out of the system's cache."""
    for path in state.rglob("*"):
        if path.is_file():
            _forget(path)
            yield path


def _forget(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def _timed(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def _disk_write_s(folder: Path, size: int) -> float:
    """Return the seconds to write and flush a new file of this size."""
    path = folder / "sequential"
    path.unlink(missing_ok=True)

    def write_all() -> None:
        with path.open("wb", buffering=0) as file:
            for first in range(0, size, len(BLOCK)):
                file.write(BLOCK[: size - first])
        sync(path)

    return _timed(write_all)


def _disk_read_s(folder: Path, size: int) -> float:
    """Return the seconds to read a file of this size that is not in the system's cache."""
    path, block = folder / "sequential", bytearray(len(BLOCK))
    _disk_write_s(folder, size)
    _forget(path)

    def read_all() -> None:
        with path.open("rb", buffering=0) as file:
            while file.readinto(block):
                pass

    return _timed(read_all)


if __name__ == "__main__":
    main()
