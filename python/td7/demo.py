"""The main job in a few minutes: train on HalfCheetah-v5, evaluate, draw, export, verify."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rich.table import Table

from td7.config import RunConfig, TD7Config
from td7.deploy.export import export
from td7.study.plot import evaluation_curves, plot_runs
from td7.terminal import plain_console, terminal_text
from td7.training.online import train

CONFIG = TD7Config(warmup_steps=2_000, eval_every=2_000, buffer_capacity=100_000)


def main() -> None:
    """Run the demonstration; its folder holds the curve, the policy and the verified bundle."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"))
    parser.add_argument("--total-steps", type=int, default=12_000)
    arguments = parser.parse_args()

    started = time.monotonic()
    result = train(
        "HalfCheetah-v5",
        total_steps=arguments.total_steps,
        config=CONFIG,
        run=RunConfig(out=arguments.out, overwrite=True),
    )
    if not result.finished:
        raise SystemExit(130)
    picture = plot_runs([result.folder], result.folder / "learning_curve.png")
    bundle = result.folder / "bundle"
    difference = export(result.folder, bundle)

    steps, curves = evaluation_curves(result.folder)
    curve = curves[0]
    table = Table(title="TD7 on HalfCheetah-v5", show_header=False)
    for name, value in {
        "environment steps": f"{steps[-1]:,.0f}",
        "return before": f"{curve[0]:.1f}",
        "return after": f"{curve[-1]:.1f}",
        "updates/s": f"{result.updates_per_s:.1f}",
        "wall time": f"{time.monotonic() - started:.0f} s",
        "learning curve": str(picture),
        "bundle": str(bundle),
    }.items():
        table.add_row(name, terminal_text(value))
    console = plain_console()
    console.print(table)
    console.print(f"verified: largest difference from eager torch {difference:.1e}")


if __name__ == "__main__":
    main()
