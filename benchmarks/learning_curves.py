"""Keep a run's learning curves under benchmarks/results/ and draw them into the README.

    python -m benchmarks.learning_curves --keep runs/NAME --command "td7 train ..."
    python -m benchmarks.learning_curves

The first keeps config.json, metrics.jsonl and machine.json (no weights) under results/NAME. Both
redraw every kept curve and the README's table between its two markers.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

from td7.run_folder import read_settings
from td7.study.plot import evaluation_curves, plot_runs
from td7.training.metrics import read_metrics

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "curves"
BEGIN, END = "<!-- curves: begin -->", "<!-- curves: end -->"


def keep(run: Path, command: str) -> None:
    """Copy what a curve needs, beside the machine and the versions that made it."""
    folder = RESULTS / run.name
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "metrics.jsonl"):
        shutil.copyfile(run / name, folder / name)
    machine = {
        "machine": {"processor": _processor(), "cores": os.cpu_count()},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("td7", "torch", "gymnasium", "mujoco", "numpy")},
        },
        "command": command,
    }
    (folder / "machine.json").write_text(json.dumps(machine, indent=2) + "\n")


def table_of(folder: Path) -> str:
    """Return the README's section about one kept run."""
    machine = json.loads((folder / "machine.json").read_text())
    settings = read_settings(folder)
    steps, curves = evaluation_curves(folder)
    every = max(1, len(steps) // 8)
    columns = sorted({*range(0, len(steps), every), len(steps) - 1})
    hours = max(row["time/wall_s"] for row in read_metrics(folder)) / 3600
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
        f"{settings.env}, {len(curves)} seeds in one run, {settings.config.eval_episodes} episodes "
        f"of the checkpoint policy an evaluation, {hours:.1f} h on {machine['machine']['cores']} "
        f"cores ({machine['machine']['processor']}, {settings.device}; "
        f"torch {machine['versions']['torch']}): `{machine['command']}`",
    ]
    return "\n".join(lines)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "")


def main() -> None:
    """Keep a run where asked to, then redraw all that is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--command", default="")
    arguments = parser.parse_args()
    if arguments.keep is not None:
        keep(arguments.keep, arguments.command)
    folders = sorted(path for path in RESULTS.iterdir() if path.is_dir())
    for folder in folders:
        plot_runs([folder], RESULTS / f"{folder.name}.png")
    readme = (ROOT / "README.md").read_text()
    head, rest = readme.split(BEGIN)
    sections = "\n\n".join(table_of(folder) for folder in folders)
    (ROOT / "README.md").write_text(f"{head}{BEGIN}\n{sections}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
