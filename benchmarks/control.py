"""Run a policy at a fixed rate beside a loop that only waits, and report what each has missed.

    python -m benchmarks.control --json FILE --bundle BUNDLE --controller PROGRAM
                                 [--rate 1000] [--seconds 60] [--quick]

`controller` (`cmake -DTD7_CONTROLLER=ON -DTD7_ROLLOUT=ON`) drives the bundle's MuJoCo task with
every backend that is in it. They take turns; `bare` is `controller --bare`, the timer alone: what
it misses, the machine takes. `priority` is with real-time priority on one processor, where
permitted.
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

from benchmarks.results_file import claim, summary, write

LOOPS = {  # arguments of controller, and whose runtime it is
    "bare": (["--bare"], "timer"),
    "native": (["--backend", "native"], "td7"),
    "onnxruntime": (["--backend", "onnxruntime"], "onnxruntime"),
    "libtorch": (["--backend", "libtorch"], "torch"),
}
OF_THE_RATE = "the policy was trained for"  # the warning that this is not its own rate
PRIORITIES: dict[str, list[str]] = {"normal": [], "priority": ["--priority", "--cpu", "0"]}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and write the file."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, required=True, help="of a MuJoCo task")
    parser.add_argument("--controller", type=Path, required=True, help="the program")
    parser.add_argument("--rate", type=float, default=1000, help="periods a second")
    parser.add_argument("--seconds", type=float, default=60, help="of each loop")
    parser.add_argument("--quick", action="store_true", help="one second, once: a trial")
    given = parser.parse_args(argv)
    claim(given.json)
    rounds, seconds = (1, 1.0) if given.quick else (2, given.seconds)
    loop = [str(given.controller), str(given.bundle), "--rate", str(given.rate)]
    figures: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, case, metric, value in one_round([*loop, "--seconds", str(seconds)]):
            figures[name, case, metric].append(value)
    rows = [summary(*key, values) for key, values in figures.items()]
    write(given.json, "control", argv, rows, rate_hz=given.rate, seconds=seconds)


def one_round(loop: list[str]) -> Iterator[tuple[str, str, str, float]]:
    """Yield name, case, metric and value for each backend and priority in turn."""
    for priority, more in PRIORITIES.items():
        for case, (arguments, name) in LOOPS.items():
            with tempfile.NamedTemporaryFile() as log:
                command = [*loop, *arguments, *more, "--log", log.name]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode == 2:  # a backend that is not built
                    continue
                if done.returncode:
                    raise RuntimeError(done.stderr)
                found = json.loads(Path(log.name).read_text())
            unfit = [each for each in found["warnings"] if not each.startswith(OF_THE_RATE)]
            if unfit:  # no permission for the priority, say
                print(*unfit, sep="\n", file=sys.stderr)
                continue
            where = f"{case}/{priority}"
            yield name, where, "missed_share", found["periods"]["missed_share"]
            for what in ("lateness",) if case == "bare" else ("lateness", "policy", "work"):
                for metric, value in found[f"{what}_us"].items():
                    if metric != "buckets":
                        yield name, where, f"{what}_{metric}_us", value


if __name__ == "__main__":
    main()
