"""Learning curves of one or more runs as a picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from td7.files.json_checks import integer, naming, number, record
from td7.files.path_names import NEW_NAME, checked_path
from td7.run.folder import read_settings
from td7.run.metrics import read_metrics
from td7.terminal import terminal_text

# What a curve takes of a row.
FIELDS = {
    "seed": integer(0, 2**64 - 1),
    "env_steps": integer(0, 2**53),
    "updates": integer(0, 2**53),
    "eval/mean_reward": number(-1e300, 1e300),
}
EVALUATION = record(FIELDS)
ROUND_FIELDS = {
    "seed": FIELDS["seed"],
    "env_steps": FIELDS["env_steps"],
    "rollout/ep_rew_mean": number(-1e300, 1e300),
}
ASSESSMENT = record(ROUND_FIELDS)


def evaluation_curves(run: Path) -> tuple[NDArray[np.float64], dict[int, NDArray[np.float64]]]:
    """Return the steps [E] that every seed was evaluated at, and each seed's mean returns [E].

    Steps are those of the environment, of an offline run updates. Raises ValueError when the run
    has no evaluation yet.
    """
    steps_of = "updates" if read_settings(run).offline else "env_steps"
    curves: dict[int, dict[int, float]] = defaultdict(dict)
    for row in read_metrics(run):
        if row.get("event") == "evaluation":
            with naming(run / "metrics.jsonl"):
                EVALUATION({name: row.get(name) for name in FIELDS}, "")
            curves[row["seed"]][row[steps_of]] = row["eval/mean_reward"]
    if not curves and read_settings(run).config.eval_episodes == 0:
        return _assessment_curves(run)
    if not curves:
        raise ValueError(f"{run} has no evaluation yet")
    shared = sorted(set.intersection(*(set(curve) for curve in curves.values())))
    steps = np.array(shared, np.float64)
    return steps, {seed: np.array([c[s] for s in shared]) for seed, c in curves.items()}


def _assessment_curves(run: Path) -> tuple[NDArray[np.float64], dict[int, NDArray[np.float64]]]:
    """Return the same of a run without evaluations: mean returns of its assessments.

    Seeds are assessed at steps of their own; their curves are interpolated at multiples of
    eval_every that all of them have reached.
    """
    rounds: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for row in read_metrics(run):
        if row.get("event") == "round":
            with naming(run / "metrics.jsonl"):
                ASSESSMENT({name: row.get(name) for name in ROUND_FIELDS}, "")
            rounds[row["seed"]].append((row["env_steps"], row["rollout/ep_rew_mean"]))
    if not rounds:
        raise ValueError(f"{run} has no evaluations and no assessment yet")
    points = {seed: np.array(each, np.float64).T for seed, each in rounds.items()}
    every = read_settings(run).config.eval_every
    first, last = max(p[0, 0] for p in points.values()), min(p[0, -1] for p in points.values())
    inner = np.arange(np.ceil(first / every) * every, last + 1, every)
    steps = np.unique(np.concatenate([inner, [min(first, last), last]]))
    return steps, {seed: np.interp(steps, p[0], p[1]) for seed, p in points.items()}


def plot_runs(runs: Sequence[str | Path], out: str | Path) -> Path:
    """Draw each run's mean evaluation return over its seeds, with every seed as a thin line."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.lines import Line2D
    except ImportError as error:
        raise ValueError("plotting needs matplotlib: pip install 'td7[plot]'") from error

    if not runs:
        raise ValueError("runs must name at least one run folder")
    out = checked_path(out, "out", NEW_NAME)
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    lines: list[Line2D] = []
    labels: list[str] = []
    for run in map(Path, runs):
        settings = read_settings(run)
        steps, curves = evaluation_curves(run)
        label = f"{settings.env} ({len(curves)} seed{'s' if len(curves) > 1 else ''})"
        if len(runs) > 1:
            label = f"{run.name}: {label}"
        mean = np.mean(list(curves.values()), axis=0)
        (line,) = axes.plot(steps, mean, linewidth=2)
        lines.append(line)
        labels.append(terminal_text(label))
        for curve in curves.values():
            axes.plot(steps, curve, linewidth=0.8, alpha=0.5, color=line.get_color())
    kinds = {read_settings(Path(run)).offline for run in runs}
    axes.set_xlabel(" or ".join("updates" if kind else "environment steps" for kind in kinds))
    axes.set_ylabel("evaluation return (mean of the episodes)")
    axes.grid(alpha=0.3)
    legend = axes.legend(lines, labels)  # of names as they are: "_" hides none, "$" is no formula
    for text in legend.get_texts():
        text.set_parse_math(False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=120)
    return out
