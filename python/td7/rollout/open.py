"""Chooses who runs the episodes of an environment."""

from __future__ import annotations

from collections.abc import Sequence

from td7.envs import is_native, make_simulations
from td7.rollout.interface import Rollouts
from td7.rollout.native import NativeRollouts
from td7.rollout.stepped import SteppedRollouts
from td7.torch_settings import environment_settings


def open_rollouts(
    env: str,
    seeds: Sequence[int],
    num_envs: int,
    *,
    num_threads: int = 0,
    exploration_noise: float = 0.0,
    keep_rows: bool = True,
    seed_offset: int = 0,
) -> Rollouts:
    """Make num_envs simulations for each seed of a Gymnasium id or a task (`file.py:Class`).

    The draws of actions belong to the seeds; the environments are seeded from seed + seed_offset.
    keep_rows: whether episodes will be stored. num_threads: C++ threads, 0 for all processors.
    Raises ValueError for an environment that cannot be trained.
    """
    if is_native(env):  # nothing of torch
        return NativeRollouts(
            env, seeds, num_envs, num_threads, exploration_noise, keep_rows, seed_offset
        )
    with environment_settings():
        simulations = make_simulations(env, len(seeds) * num_envs, num_threads)
    return SteppedRollouts(simulations, seeds, num_envs, exploration_noise, keep_rows, seed_offset)
