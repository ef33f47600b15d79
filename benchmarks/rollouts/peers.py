"""The other ways of stepping the same environments that are timed beside td7.

A peer's module is imported only when it is to be timed: none of them needs to be installed.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from benchmarks.rollouts.peer import Peer
from td7.policy.module import PolicyModule

# name on the command line: module, class, whether it is timed with a policy too
PEERS = {
    "gymnasium": ("gymnasium_single", "GymnasiumSingle", True),
    "gymnasium-async": ("gymnasium_async", "GymnasiumAsync", False),
    "mujoco.batch": ("mujoco_batch", "MujocoBatch", True),
    "envpool": ("envpool_async", "EnvPoolAsync", True),
}

Build = Callable[[str, PolicyModule | None, int], Peer]  # of an environment, with so many threads


def load(name: str) -> Build:
    """Return what builds the named peer; ImportError says why there is none."""
    module, build, _ = PEERS[name]
    try:
        return getattr(import_module(f"benchmarks.rollouts.{module}"), build)
    except ModuleNotFoundError as error:
        raise ImportError(f"not installed: {error}") from error
