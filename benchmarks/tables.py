"""Write benchmarks/results/replay.json into the README's table, between its two markers.

python -m benchmarks.tables
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
REPLAY = ROOT / "benchmarks" / "results" / "replay.json"
COLUMNS = {"HalfCheetah": "halfcheetah/1000000", "Humanoid": "humanoid/1000000"}
NOT_PACKAGES = ("python", "mujoco")  # versions that say nothing about a replay
EXPLANATION = (
    "Microseconds (median) to draw 256 transitions into torch tensors and to update their "
    "priorities, and bytes a transition; full buffers of 1,000,000, one thread; hot: back to back, "
    "swept: after 16 MB of other memory were read and written; (s): it only samples, uniformly. "
    "Bytes: td7's own count of all it holds, for the others the growth of resident memory; cpprb "
    "and stable-baselines3 have slower modes that hold less."
)


def section(name: str) -> str:
    """Return what the README has between the named markers."""
    begin, end = _markers(name)
    return README.read_text().split(begin)[1].split(end)[0].strip("\n")


def rewrite(name: str, text: str) -> None:
    """Put text between the README's named markers."""
    begin, end = _markers(name)
    head, rest = README.read_text().split(begin)
    README.write_text(f"{head}{begin}\n{text}\n{end}{rest.split(end)[1]}")


def replay_table(results: dict[str, Any]) -> str:
    """Return the README's table of replay figures from a results file's content."""
    found = {(row["name"], row["case"], row["metric"]): row["median"] for row in results["rows"]}
    shown = {row["name"] for row in results["rows"] if row["case"].startswith(_cases())}
    headings = [f"{name} {what}" for name in COLUMNS for what in ("hot", "swept", "bytes")]
    lines = ["| | " + " | ".join(headings) + " |", "|---" + "|---:" * len(headings) + "|"]
    for name in dict.fromkeys(row["name"] for row in results["rows"] if row["name"] in shown):
        cells = []
        for case in COLUMNS.values():
            cells += [_time(found, name, f"{case}/{state}") for state in ("hot", "swept")]
            cells.append(_number(found.get((name, f"{case}/hot", "bytes_per_transition"))))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", f"{EXPLANATION} {_provenance(results)}"])


def _cases() -> tuple[str, ...]:
    return tuple(f"{case}/" for case in COLUMNS.values())


def _time(found: dict[tuple[str, str, str], float], name: str, case: str) -> str:
    cycle = found.get((name, case, "cycle_us"))
    sample = found.get((name, case, "sample_us"))
    if cycle is None and sample is not None:
        return f"{_number(sample)} (s)"
    return _number(cycle)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _provenance(results: dict[str, Any]) -> str:
    machine = results["machine"]
    known = results["versions"].items()
    versions = ", ".join(f"{name} {each}" for name, each in known if name not in NOT_PACKAGES)
    sets = ", ".join(machine["instruction_sets"])
    cores = f"{machine['cores']} cores ({machine['processor']}{', ' + sets if sets else ''})"
    return f"On {cores}; {versions}: `{results['command']}`"


def _markers(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    rewrite("replay", replay_table(json.loads(REPLAY.read_text())))
