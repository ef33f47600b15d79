"""Time td7's updates beside the author's code and Stable-Baselines3's TD3, and the chip's limit.

    python -m benchmarks.update --json FILE [--quick] [--author-code DIR] [--device cpu|cuda]
                                [--sizes halfcheetah,humanoid] [--members 1,2,10,32]
                                [--executions eager,compiled] [--precisions float32,bf16]

An update draws 256 transitions a member from a full buffer (1,000,000 rows; 100,000 each beyond two
members), trains, and writes the priorities. Everything takes turns within one run. `raw` is the
best of torch.mm's rates at 256x512x256, 256x768x512 and 2048x256x256 (on a GPU torch.bmm's, a
product for each critic of the members); `peak_share` is an update's
matrix products (counted, without any gradient that is not used) at the rate reached, over it.
`uneven_debt_waste` is the time that members with debts such as Hopper's take above that of members
with equal ones, as a share of it.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.results_file import claim, summary, write
from benchmarks.updates.author_learner import Author, load_author
from benchmarks.updates.products import product_gflop_per_s
from benchmarks.updates.subject import SIZES, Size, Subject
from benchmarks.updates.td7_learner import Td7
from td7 import machine

UPDATES = "updates_per_s"
UNEVEN_UPDATES = 150  # of all members, for each second of a round


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int = 9
    round_s: float = 1.0  # a round of a subject lasts about that long
    capacity: int = 1_000_000
    capacity_of_many: int = 100_000  # a member's, beyond two


QUICK = Effort(rounds=3, round_s=0.2, capacity=20_000, capacity_of_many=4_000)


class Contest:
    """Times subjects in turn and keeps what each round gave, by (name, case, metric)."""

    def __init__(self, effort: Effort, device: str) -> None:
        self.effort, self.device = effort, device
        self.values: dict[tuple[str, str, str], list[float]] = defaultdict(list)

    def compare(self, subjects: Sequence[Subject], precision: str) -> None:
        """Time subjects of one precision in turn, the chip's products among them."""
        counts = {subject: self._warmed_up(subject) for subject in subjects}
        for _ in range(self.effort.rounds):
            members = subjects[0].members
            peak = product_gflop_per_s(self.device, precision, members)
            kind = "torch-mm" if self.device == "cpu" else f"torch-bmm/P{members}"
            self.values["raw", f"{kind}/{precision}/{self.device}", "gflop_per_s"].append(peak)
            for subject, count in counts.items():
                start = perf_counter()
                subject.run(count)
                self._add(subject, count / (perf_counter() - start), peak)

    def uneven(self, subject: Td7) -> None:
        """Time debts as uneven as the lengths of Hopper's episodes beside equal ones."""
        rng = np.random.default_rng(0)
        total = max(4 * subject.members, round(UNEVEN_UPDATES * self.effort.round_s))
        for _ in range(max(3, self.effort.rounds // 3)):
            lengths = rng.integers(
                20, 1000, subject.members
            )  # steps, while Hopper learns to stay up
            if self.device == "cpu":  # a GPU pays whole episodes in little time
                lengths = np.maximum(1, total * lengths // lengths.sum())
            debts = lengths
            equal = [int(debts.mean())] * subject.members
            seconds = []
            for owed in (debts.tolist(), equal):
                start = perf_counter()
                subject.pay(owed)
                seconds.append((perf_counter() - start) / sum(owed))
            waste = seconds[0] / seconds[1] - 1
            self.values["td7", subject.case, "uneven_debt_waste"].append(waste)

    def _warmed_up(self, subject: Subject) -> int:
        """Compile and allocate; return how many updates make a round."""
        subject.run(6)
        start = perf_counter()
        subject.run(4)
        return max(2, 2 * round(self.effort.round_s / (perf_counter() - start) * 2))

    def _add(self, subject: Subject, rate: float, peak: float) -> None:
        name, case, members = subject.name, subject.case, subject.members
        self.values[name, case, UPDATES].append(rate)
        self.values[name, case, "member_updates_per_s"].append(rate * members)
        if name == "td7":
            share = rate * members * subject.size.flop / 1e9 / peak
            self.values[name, case, "peak_share"].append(share)


def measure(arguments: argparse.Namespace, contest: Contest, say: Callable[[str], None]) -> None:
    """Time every size, number of members and precision."""
    for size in arguments.sizes:
        for members in arguments.members:
            for precision in arguments.precisions:
                torch.compiler.reset()  # so many variants of one function are not for one process
                subjects: list[Subject] = []
                for execution in arguments.executions:
                    subjects.append(_td7(size, members, precision, execution, contest))
                if members == 1 and precision == "float32":
                    subjects += _peers(arguments, size, contest, say)
                contest.compare(subjects, precision)
                if members > 1 and precision == "float32":
                    best = subjects[len(arguments.executions) - 1]
                    assert isinstance(best, Td7)
                    contest.uneven(best)
                say(f"{size.name}, {members} members, {precision}: done")


def _td7(size: Size, members: int, precision: Any, execution: Any, contest: Contest) -> Td7:
    effort = contest.effort
    capacity = effort.capacity if members <= 2 else effort.capacity_of_many
    return Td7(
        size,
        members,
        capacity,
        device=contest.device,
        execution=execution,
        precision=precision,
    )


def _peers(
    arguments: argparse.Namespace, size: Size, contest: Contest, say: Callable[[str], None]
) -> list[Subject]:
    peers: list[Subject] = []
    capacity = contest.effort.capacity
    if arguments.author_code is not None:
        peers.append(Author(arguments.author_module, size, capacity))
    if "stable-baselines3" in arguments.peers:
        try:
            from benchmarks.updates.stable_baselines3_learner import StableBaselines3
        except ModuleNotFoundError as error:
            say(f"left out: stable-baselines3: not installed: {error}")
        else:
            # its buffer holds observations twice: a tenth of the rows is enough, drawn uniformly
            peers.append(StableBaselines3(size, capacity // 10, contest.device))
    return peers


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line; what is unknown ends the program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="under a minute: one size, short runs")
    parser.add_argument("--author-code", type=Path, help="a checkout of the author's TD7")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--sizes", help="only these, of " + ",".join(SIZES))
    parser.add_argument("--members", help="numbers of members, such as 1,2,10,32")
    parser.add_argument("--executions", help="of eager,compiled,graph")
    parser.add_argument(
        "--precisions",
        help="of float32,tf32,bf16; by default all that the device has units for",
    )
    parser.add_argument("--peers", default="stable-baselines3", help="of stable-baselines3")
    arguments = parser.parse_args(argv)
    quick, gpu = arguments.quick, arguments.device == "cuda"
    choices = {
        "sizes": (SIZES, ["halfcheetah"] if quick else list(SIZES)),
        "members": (None, ["1", "2"] if quick else ["1", "2", "10", "32"]),
        "executions": (
            ("eager", "compiled", "graph"),
            ["eager"] if quick else ["eager", "compiled", *(["graph"] if gpu else [])],
        ),
        "precisions": (
            ("float32", "tf32", "bf16"),
            ["float32"] if quick else ["float32", *_fast_precisions(gpu)],
        ),
    }
    for option, (known, default) in choices.items():
        text = getattr(arguments, option)
        chosen = default if text is None else [name for name in text.split(",") if name]
        bad = [n for n in chosen if (n not in known if known else not n.isdigit() or n == "0")]
        if bad or not chosen:
            parser.error(
                f"--{option} must be of {','.join(known or ('1', '2', '...'))}, got {text}"
            )
        setattr(arguments, option, chosen)
    if arguments.author_code is not None:
        try:
            arguments.author_module = load_author(arguments.author_code)
        except ImportError as error:
            parser.error(str(error))
    arguments.sizes = [SIZES[name] for name in arguments.sizes]
    arguments.members = [int(number) for number in arguments.members]
    return arguments


def _fast_precisions(gpu: bool) -> list[str]:
    """Return the precisions beside float32 that the device has units for."""
    if gpu:
        return ["tf32", "bf16"]
    return [] if machine.bf16_units() == [] else ["bf16"]


def print_rows(console: Console, rows: list[dict[str, Any]]) -> None:
    """Print the medians, a line a subject."""
    found = {(row["name"], row["case"], row["metric"]): row["median"] for row in rows}
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    metrics = (UPDATES, "member_updates_per_s", "peak_share", "uneven_debt_waste", "gflop_per_s")
    for column in ("", "case", *metrics):
        table.add_column(column, justify="left" if column in ("", "case") else "right")
    for name, case in dict.fromkeys((name, case) for name, case, _ in found):
        cells = [found.get((name, case, metric)) for metric in metrics]
        table.add_row(name, case, *("" if cell is None else f"{cell:.4g}" for cell in cells))
    console.print(table)


def main(argv: Sequence[str] | None = None) -> None:
    """Time, print and write the JSON file."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = parse(argv)
    claim(arguments.json)
    console = Console()
    contest = Contest(QUICK if arguments.quick else Effort(), arguments.device)
    measure(arguments, contest, console.print)
    versions = machine.versions("stable-baselines3")
    if arguments.author_code is not None:
        digest = sha256((arguments.author_code / "TD7.py").read_bytes()).hexdigest()
        versions["author"] = f"TD7.py {digest[:12]}"
    rows = [summary(*key, values) for key, values in contest.values.items()]
    write(arguments.json, "update", argv, rows, versions)
    print_rows(console, rows)


if __name__ == "__main__":
    main()
