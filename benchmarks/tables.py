"""Write the results that are kept (benchmarks/results) into the README's tables, between markers.

python -m benchmarks.tables
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.table_texts import (
    COLUMNS,
    CONTROL_COLUMNS,
    CONTROL_EXPLANATION,
    CONTROL_LOOPS,
    DATASET_EXPLANATION,
    EXPLANATION,
    LATENCY_EXPLANATION,
    NOT_OF_A_REPLAY,
    ROLLOUT_EXPLANATION,
    ROLLOUT_ROWS,
    SAVE_COLUMNS,
    SAVE_EXPLANATION,
    TRAIN_COLUMNS,
    UPDATE_EXPLANATION,
)

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
REPLAY = ROOT / "benchmarks" / "results" / "replay.json"
ROLLOUT = ROOT / "benchmarks" / "results" / "rollout.json"
UPDATE = ROOT / "benchmarks" / "results" / "update.json"
TRAIN = ROOT / "benchmarks" / "results" / "train.json"
SAVE = ROOT / "benchmarks" / "results" / "save.json"
LATENCY = ROOT / "benchmarks" / "results" / "latency.json"
CONTROL = ROOT / "benchmarks" / "results" / "control.json"
DATASET = ROOT / "benchmarks" / "results" / "dataset.json"


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
    return "\n".join([*lines, "", f"{EXPLANATION} {_provenance(results, NOT_OF_A_REPLAY)}"])


def rollout_table(results: dict[str, Any]) -> str:
    """Return the README's table of rollout figures from a results file's content."""
    found = {(row["name"], row["case"], row["metric"]): row["median"] for row in results["rows"]}
    tasks = list(dict.fromkeys(row["case"].split("/")[0] for row in results["rows"]))
    headings = [task.removesuffix("-v5") for task in tasks]
    lines = ["| | " + " | ".join(headings) + " |", "|---" + "|---:" * len(headings) + "|"]
    for title, (name, case) in ROLLOUT_ROWS.items():
        cells = [_speed(found, name, f"{task}/{case}") for task in tasks]
        if any(cells):
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", f"{ROLLOUT_EXPLANATION} {_provenance(results, ('python',))}"])


def update_table(results: dict[str, Any]) -> str:
    """Return the README's table of update figures from a results file's content."""
    found = {(row["name"], row["case"], row["metric"]): row["median"] for row in results["rows"]}
    columns, lines = {}, {}
    for name, case, metric in found:
        if metric == "member_updates_per_s":
            size, members, *how = case.split("/")
            columns[f"{size}/{members}"] = f"{size}, {members[1:]} members".replace(
                " 1 members", " 1 member"
            )
            lines[name, "/".join(how)] = f"{name}, {' '.join(how)}"
    table = ["| | " + " | ".join(columns.values()) + " |", "|---" + "|---:" * len(columns) + "|"]
    for (name, how), title in lines.items():
        cells = [_updates(found, name, f"{column}/{how}") for column in columns]
        table.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join([*table, "", f"{UPDATE_EXPLANATION} {_provenance(results, ('mujoco',))}"])


def train_table(results: dict[str, Any]) -> str:
    """Return the README's table of the whole loop from a results file's content."""
    found = {(row["case"], row["metric"]): row["median"] for row in results["rows"]}
    table = ["| | " + " | ".join(TRAIN_COLUMNS.values()) + " |", "|---|" + "---:|" * 6]
    for case in dict.fromkeys(case for case, _ in found):
        task, seeds, device = case.split("/")
        cells = [
            f"{100 * value:.1f} %" if metric.startswith("share_") else f"{value:.1f}"
            for metric, value in ((name, found[case, name]) for name in TRAIN_COLUMNS)
        ]
        what = f"{task}, {seeds[1:]} seed{'s' if seeds != 'P1' else ''}, {device}"
        table.append(f"| {what} | " + " | ".join(cells) + " |")
    steps, how = f"{results['steps']:,} steps", f"{results['execution']} updates"
    return "\n".join([*table, "", f"{steps}, {how}. {_provenance(results, ())}"])


def save_table(results: dict[str, Any]) -> str:
    """Return the README's table of saves and loads from a results file's content."""
    found = {(row["case"], row["metric"]): row["median"] for row in results["rows"]}
    table = ["| | " + " | ".join(SAVE_COLUMNS.values()) + " |", "|---|" + "---:|" * 3]
    for task in dict.fromkeys(case.split("/")[0] for case, _ in found):
        cells = []
        for column in SAVE_COLUMNS:
            seconds, megabytes, share = (
                found[f"{task}/{column}", metric]
                for metric in ("seconds", "megabytes", "share_of_disk")
            )
            cells.append(f"{seconds:.2f} ({megabytes:.0f} MB, {100 * share:.0f} %)")
        table.append(f"| {task} | " + " | ".join(cells) + " |")
    return "\n".join([*table, "", f"{SAVE_EXPLANATION} {_provenance(results, ())}"])


def latency_table(results: dict[str, Any]) -> str:
    """Return the README's table of latencies from a results file's content."""
    found = {(row["case"], row["metric"]): row["median"] for row in results["rows"]}
    sizes = list(dict.fromkeys(case.split("/")[0] for case, _ in found))
    runtimes = list(dict.fromkeys(case.split("/")[1] for case, _ in found))
    heads = [f"{size} {what}" for size in sizes for what in ("p50", "p99")]
    table = [
        "| | " + " | ".join([*heads, "allocations a call"]) + " |",
        "|---|" + "---:|" * (len(heads) + 1),
    ]
    for runtime in runtimes:
        cells = [
            f"{found[f'{size}/{runtime}', metric]:.1f}"
            for size in sizes
            for metric in ("p50_us", "p99_us")
        ]
        allocations = found.get((f"{sizes[0]}/{runtime}", "allocations_per_call"))
        cells.append("" if allocations is None else f"{allocations:.0f}")
        table.append(f"| {runtime} | " + " | ".join(cells) + " |")
    return "\n".join([*table, "", f"{LATENCY_EXPLANATION} {_provenance(results, ())}"])


def control_table(results: dict[str, Any]) -> str:
    """Return the README's table of the control loop from a results file's content."""
    found = {(row["case"], row["metric"]): row["median"] for row in results["rows"]}
    loops = list(dict.fromkeys(case.split("/")[0] for case, _ in found))
    table = ["| | " + " | ".join(CONTROL_COLUMNS) + " |", "|---|" + "---:|" * len(CONTROL_COLUMNS)]
    for loop in loops:
        cells = []
        for priority in ("normal", "priority"):
            missed = found[f"{loop}/{priority}", "missed_share"]
            late = [found[f"{loop}/{priority}", f"lateness_{p}_us"] for p in ("p50", "p99", "max")]
            cells += [f"{100 * missed:.2f} %", " / ".join(f"{each:.0f}" for each in late)]
        table.append(f"| {CONTROL_LOOPS.get(loop, loop)} | " + " | ".join(cells) + " |")
    rate, seconds = results["rate_hz"], results["seconds"]
    what = f"{rate:.0f} periods a second for {seconds:.0f} s. {CONTROL_EXPLANATION}"
    return "\n".join([*table, "", f"{what} {_provenance(results, ())}"])


def dataset_table(results: dict[str, Any]) -> str:
    """Return the README's lines on loading data sets from a results file's content."""
    found = {
        (row["name"], row["case"].split("/")[1], row["metric"]): row["median"]
        for row in results["rows"]
    }
    kinds = list(dict.fromkeys(kind for name, kind, _ in found if name == "td7"))
    table = ["| | seconds | bytes a transition |", "|---|---:|---:|"]
    for kind in kinds:
        seconds, held = (found["td7", kind, m] for m in ("seconds", "bytes_per_transition"))
        table.append(f"| {kind} | {seconds:.1f} | {held:.0f} |")
    alone = found["minari", "minari", "seconds"]
    what = f"{DATASET_EXPLANATION} Minari alone takes {alone:.1f} s to read its episodes."
    return "\n".join([*table, "", f"{what} {_provenance(results, ())}"])


def _updates(found: dict[tuple[str, str, str], float], name: str, case: str) -> str:
    rate = found.get((name, case, "member_updates_per_s"))
    share = found.get((name, case, "peak_share"))
    if rate is None:
        return ""
    return f"{rate:.1f}" + (f" ({100 * share:.0f} %)" if share is not None else "")


def _speed(found: dict[tuple[str, str, str], float], name: str, case: str) -> str:
    rate = found.get((name, case, "env_steps_per_s"))
    share = found.get((name, case, "share_of_raw"))
    if rate is None:
        return ""
    return f"{rate / 1000:.1f}" + (f" ({100 * share:.0f} %)" if share is not None else "")


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


def _provenance(results: dict[str, Any], without: tuple[str, ...]) -> str:
    machine = results["machine"]
    known = results["versions"].items()
    versions = ", ".join(f"{name} {each}" for name, each in known if name not in without)
    sets = ", ".join(machine["instruction_sets"])
    cores = f"{machine['cores']} cores ({machine['processor']}{', ' + sets if sets else ''})"
    return f"On {cores}; {versions}: `{results['command']}`"


def _markers(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    for path, table in (
        (REPLAY, replay_table),
        (ROLLOUT, rollout_table),
        (UPDATE, update_table),
        (TRAIN, train_table),
        (SAVE, save_table),
        (LATENCY, latency_table),
        (CONTROL, control_table),
        (DATASET, dataset_table),
    ):
        if path.is_file():
            rewrite(path.stem, table(json.loads(path.read_text())))
