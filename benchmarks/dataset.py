"""Time loading a data set of 1,000,000 transitions into the replay, from each format.

    python -m benchmarks.dataset --json FILE [--folder DIR] [--quick]

The files hold random numbers in rows of HalfCheetah's sizes and episodes of 1,000 steps, as float64
(Minari, as its MuJoCo data sets) or float32 (D4RL's HDF5, npz), written by the formats' own
packages. `minari` reads the same episodes by Minari alone and drops them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import h5py
import minari
import numpy as np
from gymnasium.spaces import Box
from minari.data_collector import EpisodeBuffer

from benchmarks.results_file import claim, summary, write
from td7 import LapReplay
from td7.datasets.fill import fill
from td7.datasets.record import minari_root
from td7.datasets.source import open_dataset

OBS, ACTION = Box(-np.inf, np.inf, (17,), np.float64), Box(-1, 1, (6,), np.float32)
EPISODE = 1000
TASK = "HalfCheetah-v5"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and write the file."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk to be measured")
    parser.add_argument("--quick", action="store_true", help="few transitions, once: a trial")
    given = parser.parse_args(argv)
    claim(given.json)
    transitions, rounds = (20_000, 1) if given.quick else (1_000_000, 3)
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="td7-dataset-") as folder:
        rows = measure(Path(folder), transitions, rounds)
    write(given.json, "dataset", argv, rows, {"minari": minari.__version__})


def measure(folder: Path, transitions: int, rounds: int) -> list[dict[str, object]]:
    """Return the rows of every format: seconds, and the replay's bytes a transition."""
    sources = make_files(folder, transitions)
    ways: dict[tuple[str, str], Callable[[], float]] = {
        ("minari", "minari"): lambda: read_alone(sources["minari"]),
        **{("td7", kind): lambda path=path: load(path) for kind, path in sources.items()},
    }
    rows = []
    seconds: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
    held: dict[str, float] = {}
    for _ in range(rounds):
        for way, run in ways.items():
            began = perf_counter()
            held["/".join(way)] = run() / transitions
            seconds[way].append(perf_counter() - began)
    for (name, kind), values in seconds.items():
        case = f"{TASK}/{kind}/{transitions}"
        rows.append(summary(name, case, "seconds", values))
        if name == "td7":
            bytes_held = held[f"{name}/{kind}"]
            rows.append(summary(name, case, "bytes_per_transition", [bytes_held]))
    return rows


def load(path: Path) -> float:
    """Fill a replay from the data set and return the bytes that it holds."""
    data = open_dataset(path)
    replay = LapReplay(data.transitions, OBS.shape[0], ACTION.shape[0])
    fill([(replay, 0)], data, TASK, OBS, ACTION)
    return replay.nbytes


def read_alone(path: Path) -> float:
    """Read every episode and drop it."""
    for _ in minari.MinariDataset(path / "data"):
        pass
    return 0.0


def make_files(folder: Path, transitions: int) -> dict[str, Path]:
    """Write the same kind of rows in each format; return where they are."""
    rng = np.random.default_rng(0)
    flat: dict[str, list[np.ndarray]] = {"observations": [], "actions": [], "rewards": []}
    buffers = []
    for _ in range(transitions // EPISODE):
        obs = rng.normal(size=(EPISODE + 1, 17))
        action = rng.uniform(-1, 1, (EPISODE, 6)).astype(np.float32)
        reward = rng.normal(size=EPISODE)
        ends = np.arange(EPISODE) == EPISODE - 1
        buffers.append(
            EpisodeBuffer(
                observations=obs,
                actions=action,
                rewards=reward,
                terminations=np.zeros(EPISODE, bool),
                truncations=ends,
            )
        )
        for name, values in zip(flat, (obs[:-1], action, reward), strict=True):
            flat[name].append(values.astype(np.float32))
    arrays = {name: np.concatenate(values) for name, values in flat.items()}
    arrays["next_observations"] = np.concatenate([b.observations[1:] for b in buffers]).astype("f4")
    arrays["terminals"] = np.zeros(transitions, bool)
    arrays["timeouts"] = np.arange(transitions) % EPISODE == EPISODE - 1
    np.savez(folder / "data.npz", **arrays)
    with h5py.File(folder / "data.hdf5", "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values, compression="gzip")  # as D4RL's are
    with minari_root(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spaces = {"observation_space": OBS, "action_space": ACTION}
        minari.create_dataset_from_buffers("data-v0", buffers, **spaces)
    return {
        "minari": folder / "data-v0",
        "hdf5": folder / "data.hdf5",
        "npz": folder / "data.npz",
    }


if __name__ == "__main__":
    main()
