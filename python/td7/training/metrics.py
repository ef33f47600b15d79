"""metrics.jsonl (one JSON object a line) and, beside it, TensorBoard events of the same rows."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class MetricsWriter:
    """Appends rows; the keys are TensorBoard tags such as `eval/mean_reward`.

    A row names its `event`, `seed`, `env_steps` and `updates`. TensorBoard gets every number of it
    whose key has a slash, one run folder a seed, with env_steps as the step.
    """

    def __init__(self, folder: Path, tensorboard: bool, keep_bytes: int = 0) -> None:
        # rows newer than the state that a run goes on from will be written again
        self._file = (folder / "metrics.jsonl").open("a", encoding="utf-8")
        self._file.truncate(min(keep_bytes, self._file.tell()))
        self._folder = folder / "tensorboard"
        self._writers: dict[int, Any] = {}
        self.tensorboard = tensorboard and _tensorboard_installed()

    def size(self) -> int:
        """Return the bytes written so far."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file and the event writers."""
        self._file.close()
        for writer in self._writers.values():
            writer.close()

    def write(self, row: Row) -> None:
        """Append one row and hand it to the operating system at once."""
        finite = {key: _finite(value) for key, value in row.items()}
        self._file.write(json.dumps(finite, allow_nan=False) + "\n")
        self._file.flush()
        if not self.tensorboard:
            return
        writer = self._writer(row["seed"])
        for key, value in finite.items():
            if "/" in key and isinstance(value, (int, float)):
                writer.add_scalar(key, value, row["env_steps"])

    def _writer(self, seed: int) -> Any:
        if seed not in self._writers:
            from torch.utils.tensorboard import SummaryWriter

            self._writers[seed] = SummaryWriter(str(self._folder / f"seed-{seed}"))
        return self._writers[seed]


def read_metrics(run: Path) -> list[Row]:
    """Return every row of a run's metrics.jsonl; a torn last line is left out.

    Raises ValueError, naming the file and the line, for one that is no JSON object.
    """
    path = run / "metrics.jsonl"
    if not path.is_file():
        raise ValueError(f"{run} holds no run (no metrics.jsonl)")
    rows = []
    lines = path.read_bytes().splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number < len(lines):
                raise ValueError(f"{path}:{number} is not JSON: {error}") from error
            continue
        if not isinstance(row, dict):
            raise ValueError(f"{path}:{number} is no JSON object")
        rows.append(row)
    return rows


def _finite(value: Any) -> Any:
    """JSON has no infinity: a bar that no policy has set yet is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _tensorboard_installed() -> bool:
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        return False
    return True
