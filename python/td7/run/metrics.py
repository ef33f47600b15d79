"""metrics.jsonl (one JSON object a line) and, beside it, TensorBoard events of the same rows."""

from __future__ import annotations

import contextlib
import json
import math
import os
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class MetricsWriter:
    """Appends rows; the keys are TensorBoard tags such as `eval/mean_reward`.

    A row names its `event`, `seed`, `env_steps` and `updates`. TensorBoard gets every number of it
    whose key has a slash, one run folder a seed.

    Rows that cannot be written, as on a full disk, are kept for the next try. Not thread-safe.
    """

    def __init__(self, folder: Path, tensorboard: bool, keep_bytes: int = 0) -> None:
        path = folder / "metrics.jsonl"
        # rows newer than the state that a run goes on from will be written again
        kept = path.read_bytes()[:keep_bytes] if path.exists() else b""
        self._size = kept.rfind(b"\n") + 1  # a loss of power may have torn the last line
        self._file = path.open("ab", buffering=0)
        self._file.truncate(self._size)
        self._unwritten: list[bytes] = []
        self._folder = folder / "tensorboard"
        self._writers: dict[int, Any] = {}
        self.tensorboard = tensorboard and _tensorboard_installed()

    def size(self) -> int:
        """Return the bytes of whole rows written so far."""
        return self._size

    def close(self) -> None:
        """Close the file and the event writers."""
        self._file.close()
        self._leave_tensorboard()

    def write(self, row: Row) -> None:
        """Append one row and hand it to the operating system at once.

        Raises OSError where it cannot; the row is then kept for the next call.
        """
        finite = {key: _finite(value) for key, value in row.items()}
        self._unwritten.append(json.dumps(finite, allow_nan=False).encode() + b"\n")
        self._hand_over()

    def flush(self) -> None:
        """Write every row to the disk; OSError tells how many could not be written."""
        try:
            self._hand_over()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OSError(f"{error} ({len(self._unwritten)} rows are not written)") from error

    def show(self, row: Row, step: int) -> None:
        """Hand a row to TensorBoard, under this step; after an OSError it gets no more."""
        if not self.tensorboard:
            return
        try:
            writer = self._writer(row["seed"])
            for key, value in row.items():
                if "/" in key and isinstance(value, (int, float)) and math.isfinite(value):
                    writer.add_scalar(key, value, step)
        except OSError:
            self._leave_tensorboard()
            raise

    def _hand_over(self) -> None:
        if not self._unwritten:
            return
        self._file.truncate(self._size)  # of a row that did not fit whole
        rest = memoryview(b"".join(self._unwritten))
        size = self._size + len(rest)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._size = size
        self._unwritten.clear()

    def _leave_tensorboard(self) -> None:
        self.tensorboard = False
        for writer in self._writers.values():
            with contextlib.suppress(OSError):  # metrics.jsonl has the same rows
                writer.close()
        self._writers.clear()

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
