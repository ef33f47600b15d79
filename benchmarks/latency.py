"""Time single calls of an exported policy, one thread, in every runtime.

    python -m benchmarks.latency --json FILE [--quick] [--tasks HalfCheetah-v5,...]
                                 [--bundle-check PROGRAM]

New networks of the paper's sizes are exported; the runtimes take turns, round by round. Those of
C++ are timed by bundle_check (`cmake -DTD7_CONTROLLER=ON`), with the backends that are in it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.results_file import claim, summary, write
from benchmarks.rollouts.policies import untrained
from td7.deploy.backends import open_policies
from td7.deploy.export import write_bundle
from td7.deploy.trial import latencies_us
from td7.deploy.verify import read_bundle
from td7.policy.saved import Policy

TASKS = ("HalfCheetah-v5", "Humanoid-v5")
IN_CPP = {  # arguments of bundle_check, and whose runtime it is
    "native-f32": (["--backend", "native"], "td7"),
    "native-bf16": (["--backend", "native-bf16"], "td7"),
    "native-f32-avx2": (["--backend", "native", "--instruction-set", "avx2"], "td7"),
    "native-bf16-avx2": (["--backend", "native-bf16", "--instruction-set", "avx2"], "td7"),
    "onnxruntime-cpp": (["--backend", "onnxruntime"], "onnxruntime"),
    "libtorch": (["--backend", "libtorch"], "torch"),
}
IN_PYTHON = {
    "native": ("native-f32-python", "td7"),
    "policy.onnx": ("onnxruntime-python", "onnxruntime"),
    "policy.pt": ("torchscript-python", "torch"),
    "torch": ("torch-eager", "torch"),
}
METRICS = {"p50": 50.0, "p99": 99.0, "p999": 99.9, "max": 100.0}

Figures = dict[tuple[str, str, str], list[float]]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and write the file."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="few calls, once: a trial")
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=TASKS)
    parser.add_argument("--bundle-check", type=Path, help="the program, for the runtimes of C++")
    given = parser.parse_args(argv)
    claim(given.json)
    torch.set_num_threads(1)
    rounds, calls = (1, 200) if given.quick else (5, 100_000)
    figures: Figures = defaultdict(list)
    for task in given.tasks:
        with tempfile.TemporaryDirectory() as folder:
            sizes = make_bundle(task, Path(folder))
            for _ in range(rounds):
                for name, case, metric, value in one_round(Path(folder), given.bundle_check, calls):
                    figures[name, f"{sizes}/{case}", metric].append(value)
    write(given.json, "latency", argv, [summary(*key, values) for key, values in figures.items()])


def make_bundle(task: str, folder: Path) -> str:
    """Export a new policy for a task; return its sizes, such as 17x6."""
    folder.mkdir(exist_ok=True)
    policy = Policy(untrained(task, seed=0), {"env": task})
    write_bundle(policy, folder, ["onnx", "torchscript"])
    return f"{policy.obs_size}x{policy.action_size}"


def one_round(
    bundle: Path, program: Path | None, calls: int
) -> Iterator[tuple[str, str, str, float]]:
    """Yield name, case, metric and value for each runtime in turn."""
    for case, (arguments, name) in IN_CPP.items() if program else ():
        command = [str(program), str(bundle), "--calls", str(calls), *arguments]
        with tempfile.NamedTemporaryFile() as report:
            done = subprocess.run(
                [*command, "--json", report.name], capture_output=True, text=True, check=False
            )
            if done.returncode == 2:  # not built, or this processor cannot
                continue
            done.check_returncode()
            (found,) = json.loads(report.read())["backends"]
        for metric in METRICS:
            yield name, case, f"{metric}_us", found[f"{metric}_us"]
        yield name, case, "allocations_per_call", found["allocations_per_call"]
    content = read_bundle(bundle)
    obs = content.vectors["obs"].numpy()
    for way, act in open_policies(bundle, content.policy).items():
        if way in IN_PYTHON:
            case, name = IN_PYTHON[way]
            taken = np.percentile(latencies_us(act, obs, calls // 10), list(METRICS.values()))
            for metric, value in zip(METRICS, taken, strict=True):
                yield name, case, f"{metric}_us", float(value)


if __name__ == "__main__":
    main()
