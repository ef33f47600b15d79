"""Write the results that are kept (benchmarks/results) into the README's tables, between markers.

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
ROLLOUT = ROOT / "benchmarks" / "results" / "rollout.json"
UPDATE = ROOT / "benchmarks" / "results" / "update.json"
TRAIN = ROOT / "benchmarks" / "results" / "train.json"
SAVE = ROOT / "benchmarks" / "results" / "save.json"
LATENCY = ROOT / "benchmarks" / "results" / "latency.json"
COLUMNS = {"HalfCheetah": "halfcheetah/1000000", "Humanoid": "humanoid/1000000"}
NOT_OF_A_REPLAY = ("python", "mujoco")  # versions that say nothing about it
EXPLANATION = (
    "Microseconds (median) to draw 256 transitions into torch tensors and to update their "
    "priorities, and bytes a transition; full buffers of 1,000,000, one thread; hot: back to back, "
    "swept: after 16 MB of other memory were read and written; (s): it only samples, uniformly. "
    "Bytes: td7's own count of all it holds, for the others the growth of resident memory; cpprb "
    "and stable-baselines3 have slower modes that hold less."
)
# Row of the rollout table: implementation, case. The implementations of a case stand together.
ROLLOUT_ROWS = {
    "physics alone, random actions": ("raw", "env/all"),
    "td7, random actions": ("td7", "env/all"),
    "td7, random actions, one thread": ("td7", "env/1t"),
    "mujoco.batch, random actions": ("mujoco.batch", "env/all"),
    "envpool, random actions": ("envpool", "env/all"),
    "gymnasium, random actions": ("gymnasium", "env/1t"),
    "AsyncVectorEnv(8), random actions": ("gymnasium AsyncVectorEnv(8)", "env/all"),
    "td7, policy": ("td7", "policy/all"),
    "td7, policy, one thread": ("td7", "policy/1t"),
    "td7, ten policies": ("td7", "policy/members"),
    "td7, trained policy": ("td7", "trained/all"),
    "mujoco.batch + onnxruntime, policy": ("mujoco.batch + onnxruntime", "policy/all"),
    "envpool + onnxruntime, policy": ("envpool + onnxruntime", "policy/all"),
    "gymnasium + torch, policy": ("gymnasium + torch", "policy/1t"),
}
ROLLOUT_EXPLANATION = (
    "Thousand environment steps a second (median), on all processors unless it says one thread. "
    "Physics alone is mj_step in C, which repeats the very steps that td7 took, to the bit; in "
    "brackets td7's share of that speed, run by run. td7 collects whole episodes and keeps them, "
    "eight simulations a thread; its policy explores, new networks of the paper's sizes (zs and "
    "actor); ten policies have one simulation each. The other implementations get actions drawn "
    "beforehand, or the same policy without noise. mujoco.batch leaves out the contact forces that "
    "Ant and Humanoid observe."
)


UPDATE_EXPLANATION = (
    "Member updates a second (median), in brackets the share of the chip's measured rate of matrix "
    "products (torch.mm at an update's shapes) at which an update's own products are done; batches "
    "of 256 drawn from full buffers, priorities written. TD3 is a smaller algorithm: orientation."
)


TRAIN_COLUMNS = {
    "env_steps_per_s": "env steps/s",
    "updates_per_s": "updates/s",
    "share_collect": "collect",
    "share_replay": "replay",
    "share_update": "update",
    "share_evaluate": "evaluate",
}


SAVE_COLUMNS = {"first": "first save", "next": "next save", "load": "load"}
SAVE_EXPLANATION = (
    "Seconds (median), for which training stands still: a state with a replay of 1,000,000 "
    "transitions; the next save comes after 10,000 steps and updates; a load starts with nothing "
    "in the system's cache. In brackets what is written (read), and the speed as a share of that "
    "at which the disk writes (reads) one file of that size."
)


LATENCY_EXPLANATION = (
    "Microseconds of a single call, one thread: median and 99th percentile (medians of five rounds "
    "of 100,000 calls, 10,000 in Python); networks of the paper's sizes. Runtimes without `python` "
    "in their name are in C++ (`bundle_check`), `avx2` is td7's own held to AVX2."
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
    ):
        if path.is_file():
            rewrite(path.stem, table(json.loads(path.read_text())))
