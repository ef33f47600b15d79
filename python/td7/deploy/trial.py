"""A bundle's policy at work: how long a call takes, and whether all ways drive alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter_ns

import numpy as np
import torch

from td7.deploy.backends import BFLOAT16, open_policies
from td7.deploy.closed_loop import STEPS, TOLERANCE, disagreement
from td7.deploy.formats import Float32, Run
from td7.deploy.verify import Bundle
from td7.envs import absolute_name
from td7.run.environment import check_fits

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


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread, as the other ways do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def report(bundle: Bundle, env: str | None) -> Iterator[str]:
    """Yield a line for each way to run a bundle's policy; drives `env` with it where one is given.

    Raises ValueError, naming it, for an environment that does not fit, or for a float32 way that
    drives elsewhere than torch.
    """
    if env:
        env = absolute_name(env)
        check_fits(env, bundle.policy)
    ways = open_policies(bundle.folder, bundle.policy)
    found = disagreement(env, ways, "torch") if env else {}
    for name, act in ways.items():
        with _one_thread():
            taken = latencies_us(act, bundle.vectors["obs"].numpy())
        p50, p99 = np.percentile(taken, [50, 99])
        line = f"{name:24} p50 {p50:.1f} us  p99 {p99:.1f} us"
        if name in found:
            line += f"  after {STEPS} steps {found[name]:.1e} from torch"
            if name != BFLOAT16 and not found[name] <= TOLERANCE:
                raise ValueError(f"{bundle.folder / name}: {line}, more than {TOLERANCE:g}")
        yield line
