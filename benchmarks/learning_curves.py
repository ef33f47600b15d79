"""Keep a run's learning curves under benchmarks/results/ and draw them into the README.

    python -m benchmarks.learning_curves --keep runs/NAME
    python -m benchmarks.learning_curves

The first keeps config.json, metrics.jsonl and machine.json (no weights) under results/curves/NAME,
of an offline run under results/offline/NAME. Both redraw every kept curve and the README's tables
between their markers.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
from pathlib import Path
from typing import Any

from benchmarks.tables import ROOT, rewrite
from td7.run.folder import RunSettings, read_settings
from td7.run.metrics import read_metrics
from td7.study.plot import evaluation_curves, plot_runs

RESULTS = ROOT / "benchmarks" / "results" / "curves"
OFFLINE = ROOT / "benchmarks" / "results" / "offline"
LEARNERS = {"td7": "TD7", "bc": "behaviour cloning"}


def keep(run: Path) -> None:
    """Copy what a curve needs, with the machine, versions and command that made it."""
    folder = (OFFLINE if read_settings(run).offline else RESULTS) / run.name
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "metrics.jsonl", "machine.json"):
        shutil.copyfile(run / name, folder / name)


def table_of(folder: Path) -> str:
    """Return the README's section about one kept run."""
    settings, machine = settings_and_machine(folder)
    steps, curves = evaluation_curves(folder)
    every = max(1, len(steps) // 8)
    columns = sorted({*range(0, len(steps), every), len(steps) - 1})
    rows = read_metrics(folder)
    minutes = max(row["time/wall_s"] for row in rows) / 60
    took = f"{minutes / 60:.1f} h" if minutes > 60 else f"{minutes:.1f} minutes"
    who = f"{len(curves)} seeds in one run" if len(curves) > 1 else "one seed"
    policy = next(row["policy"] for row in rows if row["event"] == "evaluation")
    lines = [
        f"![learning curve](benchmarks/results/curves/{folder.name}.png)",
        "",
        "| steps | " + " | ".join(f"{steps[i] / 1000:.0f}k" for i in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for seed, curve in curves.items():
        lines.append(f"| seed {seed} | " + " | ".join(f"{curve[i]:.0f}" for i in columns) + " |")
    lines += [
        "",
        f"{settings.env}, {who}, {settings.config.eval_episodes} episodes "
        f"of the {policy} policy an evaluation, {took} on {machine['machine']['cores']} "
        f"cores ({machine['machine']['processor']}, {settings.device}; "
        f"torch {machine['versions']['torch']}): `{machine['command']}`",
    ]
    return "\n".join(lines)


def offline_table(folders: list[Path]) -> str:
    """Return the README's table of offline runs: one row each, seeds averaged."""
    steps, _ = evaluation_curves(folders[0])
    lines = [
        "![learning curves](benchmarks/results/offline/curves.png)",
        "",
        "| data set | its mean return | learner | "
        + " | ".join(f"{step / 1000:.0f}k" for step in steps)
        + " |",
        "|---|---:|---|" + "---:|" * len(steps),
    ]
    for folder in folders:
        settings = read_settings(folder)
        _, curves = evaluation_curves(folder)
        assert settings.dataset is not None
        name, mean = Path(settings.dataset.name).name, settings.dataset.mean_return or math.nan
        values = [sum(each) / len(each) for each in zip(*curves.values(), strict=True)]
        lines.append(
            f"| {name} | {mean:.0f} | {LEARNERS[settings.config.offline_loss]} | "
            + " | ".join(f"{value:.0f}" for value in values)
            + " |"
        )
    settings, machine = settings_and_machine(folders[0])
    lines += [
        "",
        f"{settings.env}, returns by updates, {len(settings.seeds)} seed, "
        f"{settings.config.eval_episodes} episodes an evaluation, on {machine['machine']['cores']} "
        f"cores ({machine['machine']['processor']}, {settings.device}; "
        f"torch {machine['versions']['torch']}), `benchmarks/datasets.md` has the commands.",
    ]
    return "\n".join(lines)


def settings_and_machine(folder: Path) -> tuple[RunSettings, dict[str, Any]]:
    """Return what a kept run says of itself and of where it ran."""
    return read_settings(folder), json.loads((folder / "machine.json").read_text())


def main() -> None:
    """Keep a run where asked to, then redraw all that is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    if arguments.keep is not None:
        keep(arguments.keep)
    for folder in (folders := kept(RESULTS)):
        plot_runs([folder], RESULTS / f"{folder.name}.png")
    rewrite("curves", "\n\n".join(table_of(folder) for folder in folders))
    if folders := kept(OFFLINE):
        plot_runs(folders, OFFLINE / "curves.png")
        rewrite("offline", offline_table(folders))


def kept(results: Path) -> list[Path]:
    """Return the folders of the runs that are kept."""
    return sorted(path for path in results.iterdir() if path.is_dir()) if results.is_dir() else []


if __name__ == "__main__":
    main()
