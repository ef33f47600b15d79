"""Time td7's rollouts beside the physics of the same steps alone, and beside every installed peer.

    python -m benchmarks.rollout --json FILE [--quick] [--policy-dir ENV=DIR ...]
                                 [--tasks ENV,ENV] [--peers NAME,NAME]

Cases: ENV/env (random actions), ENV/policy (new networks, and exploration noise), each `1t` (one
thread) and `all` (a thread a processor), eight simulations a thread; `policy/members`: ten policies
with one simulation each; `trained`: as `policy`, with a saved policy (`--policy-dir`).

td7 collects whole episodes and keeps their rows. `raw` then repeats that very run by mj_step alone:
the same resets and actions on as many threads, to the same final positions, to the bit.
`share_of_raw` is td7's speed by that of raw, pair by pair. Peers get actions drawn beforehand or a
policy without noise, and keep nothing. Those that are not installed are left out, with the reason.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.results_file import claim, summary, write
from benchmarks.rollouts.batch_tasks import TASKS
from benchmarks.rollouts.contest import RATE, SHARE, Contest, Effort
from benchmarks.rollouts.peers import PEERS, Build, load
from benchmarks.rollouts.policies import trained
from benchmarks.rollouts.raw import compile_raw
from td7 import machine
from td7.envs.native import processors
from td7.policy.module import PolicyModule

QUICK_TASKS = ["HalfCheetah-v5"]
QUICK = Effort(rounds=5, seconds=0.1)


def print_rows(console: Console, rows: list[dict[str, Any]]) -> None:
    """Print a table a task: thousand environment steps a second, and td7's share of raw."""
    for env in dict.fromkeys(row["case"].split("/")[0] for row in rows):
        found = {
            (row["name"], row["case"].removeprefix(f"{env}/"), row["metric"]): row["median"]
            for row in rows
            if row["case"].startswith(f"{env}/")
        }
        cases = list(dict.fromkeys(case for _, case, _ in found))
        title = f"{env}: thousand environment steps a second (share of raw)"
        table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("", no_wrap=True)
        for case in cases:
            table.add_column(case, justify="right", no_wrap=True)
        for name in dict.fromkeys(name for name, _, _ in found):
            cells = [_cell(found, name, case) for case in cases]
            table.add_row(name, *cells)
        console.print(table)


def _cell(found: dict[tuple[str, str, str], float], name: str, case: str) -> str:
    rate, share = found.get((name, case, RATE)), found.get((name, case, SHARE))
    if rate is None:
        return ""
    return f"{rate / 1000:.3g}" + (f" ({share:.2f})" if share is not None else "")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line; unknown tasks and peers and bad policies end the program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="under a minute: one task, short runs")
    parser.add_argument(
        "--policy-dir", action="append", default=[], metavar="ENV=DIR", help="a saved policy"
    )
    parser.add_argument("--tasks", help="only these, of " + ",".join(TASKS))
    parser.add_argument("--peers", help="only these, of " + ",".join(PEERS))
    arguments = parser.parse_args(argv)
    names = ("tasks", TASKS, QUICK_TASKS if arguments.quick else TASKS), ("peers", PEERS, PEERS)
    for option, known, default in names:
        text = getattr(arguments, option)
        chosen = list(default) if text is None else [name for name in text.split(",") if name]
        if unknown := set(chosen) - set(known):
            parser.error(f"--{option} must be of {','.join(known)}, got {','.join(unknown)}")
        setattr(arguments, option, chosen)
    try:
        arguments.policies = dict(_policy(text, arguments.tasks) for text in arguments.policy_dir)
    except ValueError as error:
        parser.error(str(error))
    return arguments


def _policy(text: str, tasks: Sequence[str]) -> tuple[str, PolicyModule]:
    env, _, folder = text.partition("=")
    if env not in tasks:
        raise ValueError(f"--policy-dir must be ENV=DIR, ENV of {','.join(tasks)}, got {text}")
    return env, trained(env, Path(folder))


def load_peers(names: Sequence[str]) -> tuple[dict[str, Build], list[dict[str, str | None]]]:
    """Return what builds the named peers, and the reason of each that is left out."""
    builders, left_out = {}, []
    for name in PEERS:
        try:
            if name not in names:
                raise ImportError("not among --peers")
            builders[name] = load(name)
        except ImportError as error:
            left_out.append({"name": name, "case": None, "reason": str(error)[:200]})
    return builders, left_out


def main(argv: Sequence[str] | None = None) -> None:
    """Time, print and write the JSON file."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = parse(argv)
    claim(arguments.json)
    torch.set_num_threads(1)
    console = Console()
    builders, left_out = load_peers(arguments.peers)
    with tempfile.TemporaryDirectory() as folder:
        library = compile_raw(Path(folder))
    contest = Contest(library, QUICK if arguments.quick else Effort(), processors())
    for env in arguments.tasks:
        contest.run(env, builders, arguments.policies.get(env), console.print)
    versions = machine.versions(*sorted(contest.packages))
    rows = [summary(*key, values) for key, values in contest.values.items()]
    write(arguments.json, "rollout", argv, rows, versions, left_out=left_out)
    print_rows(console, rows)
    for entry in left_out:
        console.print(f"left out: {entry['name']}: {entry['reason']}", markup=False)


if __name__ == "__main__":
    main()
