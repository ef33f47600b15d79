"""Keep a run's learning curves under benchmarks/results/ and draw them into the README.

    python -m benchmarks.learning_curves --keep runs/NAME
    python -m benchmarks.learning_curves

The first keeps config.json, metrics.jsonl and machine.json (no weights) under results/curves/NAME.
Both redraw every kept curve and the README's tables between its two markers.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from benchmarks.tables import ROOT, rewrite
from td7.run_folder import read_settings
from td7.study.plot import evaluation_curves, plot_runs
from td7.training.metrics import read_metrics

RESULTS = ROOT / "benchmarks" / "results" / "curves"


def keep(run: Path) -> None:
    """Copy what a curve needs, with the machine, versions and command that made it."""
    folder = RESULTS / run.name
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "metrics.jsonl", "machine.json"):
        shutil.copyfile(run / name, folder / name)


def table_of(folder: Path) -> str:
    """Return the README's section about one kept run."""
    machine = json.loads((folder / "machine.json").read_text())
    settings = read_settings(folder)
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


def main() -> None:
    """Keep a run where asked to, then redraw all that is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    if arguments.keep is not None:
        keep(arguments.keep)
    folders = sorted(path for path in RESULTS.iterdir() if path.is_dir())
    for folder in folders:
        plot_runs([folder], RESULTS / f"{folder.name}.png")
    rewrite("curves", "\n\n".join(table_of(folder) for folder in folders))


if __name__ == "__main__":
    main()
