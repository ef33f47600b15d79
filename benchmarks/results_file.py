"""A results file: where, on what and how it was measured, and the rows."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from td7 import machine


def summary(name: str, case: str, metric: str, values: Sequence[float]) -> dict[str, Any]:
    """Return the row of some measurements: their median and interquartile range."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return {
        "name": name,
        "case": case,
        "metric": metric,
        "median": round(float(median), 4),
        "iqr": round(float(high - low), 4),
        "n": len(values),
    }


def claim(path: Path) -> None:
    """Make sure that the file can be written: that is told before the figures are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.open("a").close()


def write(
    path: Path,
    benchmark: str,
    argv: Sequence[str],
    rows: Sequence[dict[str, Any]],
    versions: dict[str, str] | None = None,
    **more: Any,
) -> None:
    """Write the rows of `python -m benchmarks.BENCHMARK ARGV`, with this machine and versions."""
    result = machine.describe_machine()
    result["machine"] |= {
        "instruction_sets": machine.instruction_sets(),
        "torch_threads": torch.get_num_threads(),
    }
    result["versions"] |= versions or {}
    result["command"] = f"python -m benchmarks.{benchmark} {shlex.join(argv)}"
    path.write_text(json.dumps(result | more | {"rows": list(rows)}, indent=1) + "\n")
