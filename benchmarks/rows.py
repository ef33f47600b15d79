"""The rows of a results file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


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
