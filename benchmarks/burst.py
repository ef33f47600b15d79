"""Look into bursts on a GPU: does the host keep up, and where does the device's time go?

    python -m benchmarks.burst --json FILE [--members 1,10,32] [--precision float32]

`burst_over_device_time` is a burst's wall time over the sum of its kernels' times on the device,
`host_syncs` counts the calls that waited for the device between a burst's first and last launch.
The file also keeps the kernels that take most of the time.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.results_file import claim, summary, write
from benchmarks.updates.subject import SIZES
from benchmarks.updates.td7_learner import Td7

UPDATES = 1000
BURSTS = 5
KERNELS = 25


def over_device_time(subject: Td7) -> list[float]:
    """Return the wall time of bursts over the time of their kernels on the device."""
    ratios = []
    for _ in range(BURSTS):
        start = perf_counter()
        subject.run(UPDATES)
        torch.cuda.synchronize()
        wall_s = perf_counter() - start
        with profile(activities=[ProfilerActivity.CUDA]) as seen:  # the same again, seen
            subject.run(UPDATES)
            torch.cuda.synchronize()
        device_s = sum(e.self_device_time_total for e in seen.key_averages()) / 1e6
        ratios.append(wall_s / device_s)
    return ratios


def host_syncs(subject: Td7) -> int:
    """Count what waits for the device while a burst is handed out."""
    (trainer,) = subject.trainers
    debts = [UPDATES] * subject.members
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            trainer.enqueue(debts, lambda: False)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    trainer.settle(debts)
    return sum("synchroniz" in str(warning.message) for warning in caught)


def kernels(subject: Td7) -> list[dict[str, Any]]:
    """Return the kernels of a short burst that take most of the device's time."""
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        subject.run(100)
        torch.cuda.synchronize()
    events = sorted(seen.key_averages(), key=lambda event: -event.self_device_time_total)
    return [
        {"kernel": e.key, "calls": e.count, "us": round(e.self_device_time_total, 1)}
        for e in events[:KERNELS]
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and write the JSON file."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--members", default="1,10,32")
    parser.add_argument("--precision", default="float32", choices=("float32", "tf32", "bf16"))
    arguments = parser.parse_args(argv)
    if not torch.cuda.is_available():
        parser.error("bursts are looked into on a CUDA device, and there is none")
    claim(arguments.json)
    rows, profiles = [], {}
    for members in map(int, arguments.members.split(",")):
        torch.compiler.reset()
        options = {"device": "cuda", "execution": "graph", "precision": arguments.precision}
        subject = Td7(SIZES["halfcheetah"], members, 100_000, **options)
        subject.run(20)
        found = {
            "burst_over_device_time": over_device_time(subject),
            "host_syncs": [float(host_syncs(subject))],
        }
        for metric, values in found.items():
            rows.append(summary("td7", subject.case, metric, values))
            print(f"{subject.case} {metric} {rows[-1]['median']}")
        profiles[subject.case] = kernels(subject)
    write(arguments.json, "burst", argv, rows, profiles=profiles)


if __name__ == "__main__":
    main()
