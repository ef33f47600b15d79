"""A bundle's policy at work: how long a call takes, and whether all ways drive alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter_ns

import numpy as np

from td7.deploy.backends import BFLOAT16, Float32, Run, open_policies
from td7.deploy.closed_loop import STEPS, TOLERANCE, disagreement
from td7.deploy.verify import read_bundle

CALLS = 2000
WARMUP = 200


def latencies_us(act: Run, obs: Float32, calls: int = CALLS) -> Float32:
    """Return the microseconds of single calls [calls], going round obs [N, S] row by row."""
    rows = [obs[row : row + 1].copy() for row in range(len(obs))]
    taken = np.empty(WARMUP + calls, np.int64)
    for call in range(len(taken)):
        row = rows[call % len(rows)]
        began = perf_counter_ns()
        act(row)
        taken[call] = perf_counter_ns() - began
    return (taken[WARMUP:] / 1e3).astype(np.float32)


def report(folder: str | Path, env: str | None) -> Iterator[str]:
    """Yield a line for each way to run a bundle's policy; drives `env` with it where one is given.

    Raises ValueError, naming the way, for a float32 one whose return is not that of torch.
    """
    bundle = read_bundle(folder)
    ways = open_policies(bundle.folder, bundle.policy)
    shares = disagreement(env, ways, "torch") if env else {}
    for name, act in ways.items():
        p50, p99 = np.percentile(latencies_us(act, bundle.vectors["obs"].numpy()), [50, 99])
        line = f"{name:24} p50 {p50:.1f} us  p99 {p99:.1f} us"
        if name in shares:
            line += f"  return of {STEPS} steps differs by {shares[name]:.1e} of its rewards"
            if name != BFLOAT16 and not shares[name] <= TOLERANCE:
                raise ValueError(f"{bundle.folder / name}: {line}, more than {TOLERANCE:g}")
        yield line
