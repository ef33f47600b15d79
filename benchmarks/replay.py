"""Time td7.LapReplay beside every installed peer; one thread, batches of 256, full buffers.

    python -m benchmarks.replay --json FILE [--quick] [--author-code DIR] [--peers NAME,NAME]
                                [--cases halfcheetah/1000000,humanoid/100000]

`cycle_us` is a batch drawn into torch tensors and the update of its priorities, `sample_us` and
`update_us` are its parts; `hot` back to back, `swept` after 16 MB were read and written, which is
not timed. `add_us` is one `add`, `bulk_add_us` a transition's part of a 1000-step episode handed
over in one call. Peers that are not installed are left out, and named with the reason.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import peers
from benchmarks.memory import available_bytes, resident_bytes
from benchmarks.peers.lap_replay import Td7
from benchmarks.peers.subject import ADD_METRICS, CYCLE_METRICS, Subject, expected_bytes
from benchmarks.results_file import claim, summary, write
from benchmarks.timing import Clock, Effort, check, fill
from benchmarks.transitions import STEPS, Case, Episode
from td7 import machine
from td7.extension import core

CASES = [
    *(f"halfcheetah/{capacity}" for capacity in (10_000, 100_000, 1_000_000, 10_000_000)),
    *(f"humanoid/{capacity}" for capacity in (10_000, 100_000, 1_000_000)),
]
QUICK_CASES = ["halfcheetah/100000"]
QUICK = Effort(rounds=5, hot_ms=4.0, swept_calls=8)
INSTRUCTION_SETS_CASE = "halfcheetah/1000000"
SPARE_BYTES = 2 * 1024**3
RESIDENT_FROM = 100_000  # transitions: the growth of a smaller buffer drowns in the process's own
METRICS = (*CYCLE_METRICS, *ADD_METRICS, "bytes_per_transition")
HEADINGS = {metric: metric.removesuffix("_us").replace("_", " ") for metric in METRICS} | {
    "bytes_per_transition": "bytes"
}
BYTES_NOTE = (
    "bytes_per_transition: what td7 counts itself, all of it; the growth of the process's resident "
    f"memory for the others, from {RESIDENT_FROM} transitions on"
)


class Benchmark:
    """Collects rows, and what was left out, case by case."""

    def __init__(self, effort: Effort, builders: dict[str, peers.Build], console: Console) -> None:
        self.effort = effort
        self.builders = builders
        self.console = console
        self.rows: list[dict[str, Any]] = []
        self.left_out: list[dict[str, str | None]] = []
        self.packages: set[str] = set()

    def run(self, case: Case) -> None:
        """Time td7 with each peer in turn; only one peer's buffer lives at a time."""
        rng = np.random.default_rng(0)
        episodes = [Episode.random(case, rng) for _ in range(16)]
        clock = Clock(self.effort, episodes, rng)
        if not self._fits(case, "td7", Td7.number_bytes):
            return
        td7, held = self._build(case, Td7, clock)
        self._add_bytes(case, td7, held)
        builders = self.builders
        if str(case) == INSTRUCTION_SETS_CASE:
            builders = builders | {
                f"td7 ({name})": _under(name) for name in core.instruction_sets()[1:]
            }
        for name, build in builders.items():
            if self._fits(case, name, 8 if name == "author" else 4):
                self._beside(case, td7, build, clock)
        if not clock.means:
            clock.compare([td7])
        for (name, state, metric), means in clock.means.items():
            self._add_row(name, f"{case}/{state}", metric, means)

    def _beside(self, case: Case, td7: Subject, build: peers.Build, clock: Clock) -> None:
        start = time.perf_counter()
        peer, held = self._build(case, build, clock)
        self._add_bytes(case, peer, held)
        if clock.means:  # what the last comparison added has not the spread priorities
            td7.spread_priorities(case.capacity, clock.rng)
        clock.compare([td7, peer])
        self.console.print(f"{case}: {peer.name}, {time.perf_counter() - start:.0f} s")

    def _build(self, case: Case, build: peers.Build, clock: Clock) -> tuple[Subject, int | None]:
        """Return a full buffer and the growth of the process's memory."""
        # what the first buffer of its kind compiles or loads belongs to none
        fill(build(Case(case.environment, STEPS)), STEPS, clock.episodes)
        before = resident_bytes()
        subject = build(case)
        subject.begin_round()
        fill(subject, case.capacity, clock.episodes)
        subject.spread_priorities(case.capacity, clock.rng)
        check(subject, case.obs_size, case.action_size)
        self.packages.update(subject.packages)
        after = resident_bytes()
        return subject, None if before is None or after is None else after - before

    def _fits(self, case: Case, name: str, number_bytes: int) -> bool:
        available = available_bytes()
        needed = expected_bytes(case, number_bytes) + SPARE_BYTES
        if available is None or needed <= available:
            return True
        reason = f"may need {needed / 1e9:.1f} GB where {available / 1e9:.1f} GB are free"
        self.left_out.append({"name": name, "case": str(case), "reason": reason})
        return False

    def _add_bytes(self, case: Case, subject: Subject, grown: int | None) -> None:
        held = subject.nbytes()
        if held is None and case.capacity >= RESIDENT_FROM:
            held = grown
        if held is not None:
            name, each = f"{case}/hot", held / case.capacity
            self._add_row(subject.name, name, "bytes_per_transition", [each])

    def _add_row(self, name: str, case: str, metric: str, values: list[float]) -> None:
        scale = 1 / STEPS if metric == "bulk_add_us" else 1.0
        self.rows.append(summary(name, case, metric, [scale * value for value in values]))


def _under(name: str) -> peers.Build:
    return lambda case: Td7(case, name)


def print_rows(console: Console, rows: list[dict[str, Any]]) -> None:
    """Print a table a case: medians, and how many times td7's the best peer's median is."""
    for case in dict.fromkeys(row["case"] for row in rows):
        found = {(row["name"], row["metric"]): row for row in rows if row["case"] == case}
        names = list(dict.fromkeys(name for name, _ in found))
        metrics = [each for each in METRICS if any((name, each) in found for name in names)]
        table = Table(title=f"{case}: medians, us", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("", no_wrap=True)
        for metric in metrics:
            table.add_column(HEADINGS[metric], justify="right", no_wrap=True)
        for name in names:
            cells = (found.get((name, metric)) for metric in metrics)
            table.add_row(name, *(_number(row["median"]) if row else "" for row in cells))
        if any(not name.startswith("td7") for name in names):
            table.add_section()
            table.add_row("best peer / td7", *(ratio(found, names, each) for each in metrics))
        console.print(table)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratio(found: dict[tuple[str, str], dict[str, Any]], names: list[str], metric: str) -> str:
    """Return the best peer's median over td7's, as text."""
    others = [name for name in names if not name.startswith("td7") and (name, metric) in found]
    if not others or ("td7", metric) not in found:
        return ""
    best = min(float(found[name, metric]["median"]) for name in others)
    return f"{best / found['td7', metric]['median']:.3g}x"


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line; bad cases and unknown peers end the program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="under a minute: one case, few rounds")
    parser.add_argument("--author-code", type=Path, help="a checkout of the author's TD7")
    parser.add_argument("--peers", help="only these, of " + ",".join(peers.NAMES))
    parser.add_argument("--cases", help="only these, as ENVIRONMENT/CAPACITY")
    arguments = parser.parse_args(argv)
    names = _listed(arguments.peers, peers.NAMES)
    if unknown := set(names) - set(peers.NAMES):
        parser.error(f"--peers must be of {','.join(peers.NAMES)}, got {','.join(unknown)}")
    arguments.peers = names
    try:
        cases = _listed(arguments.cases, QUICK_CASES if arguments.quick else CASES)
        arguments.cases = [Case.parse(text) for text in cases]
    except ValueError as error:
        parser.error(str(error))
    return arguments


def _listed(text: str | None, default: Sequence[str]) -> list[str]:
    return list(default) if text is None else [name for name in text.split(",") if name]


def main(argv: Sequence[str] | None = None) -> None:
    """Time, print and write the JSON file."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = parse(argv)
    claim(arguments.json)
    torch.set_num_threads(1)
    console = Console()
    builders, left_out = {}, []
    for name in peers.NAMES:
        try:
            if name not in arguments.peers:
                raise ImportError("not among --peers")
            builders[name] = peers.load(name, arguments.author_code)
        except ImportError as error:
            left_out.append({"name": name, "case": None, "reason": str(error)[:200]})
    benchmark = Benchmark(QUICK if arguments.quick else Effort(), builders, console)
    benchmark.left_out.extend(left_out)
    for case in arguments.cases:
        benchmark.run(case)
    versions = machine.versions(*sorted(benchmark.packages))
    if "author" in builders:
        digest = sha256((arguments.author_code / "buffer.py").read_bytes()).hexdigest()
        versions["author"] = f"buffer.py {digest[:12]}"
    more = {"note": BYTES_NOTE, "left_out": benchmark.left_out}
    write(arguments.json, "replay", argv, benchmark.rows, versions, **more)
    print_rows(console, benchmark.rows)
    for entry in benchmark.left_out:
        where = f" at {entry['case']}" if entry["case"] else ""
        console.print(f"left out: {entry['name']}{where}: {entry['reason']}", markup=False)


if __name__ == "__main__":
    main()
