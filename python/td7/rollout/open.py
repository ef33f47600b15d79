"""Chooses who runs the episodes of an environment."""

from __future__ import annotations

from collections.abc import Sequence

from td7.envs import is_native, make_simulations
from td7.rollout.native import NativeRollouts
from td7.rollout.rollouts import Rollouts
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
    policy_in_cpp: bool = True,
    wide_seeds: bool = False,
    max_episode_steps: int = 0,
) -> Rollouts:
    """Make num_envs simulations for each seed of a Gymnasium id or a task (`file.py:Class`).

    The draws of actions belong to the seeds; the environments are seeded from seed + seed_offset.
    keep_rows: whether episodes will be stored. policy_in_cpp: whether the policies act in C++;
    else every step passes through Python. num_threads: C++ threads, 0 for all processors.
    keep_rows: whether episodes will be stored. num_threads: C++ threads, 0 for all processors.
    wide_seeds: seed every environment with up to 64 bits, as runs saved by earlier versions were.
    max_episode_steps: where episodes are truncated, 0 for the environment's own time limit.
    Raises ValueError for an environment that cannot be trained.
    """
    if policy_in_cpp and is_native(env):  # nothing of torch
        return NativeRollouts(
            env,
            seeds,
            num_envs,
            num_threads,
            exploration_noise,
            keep_rows,
            seed_offset,
            max_episode_steps,
        )
    with environment_settings():
        simulations = make_simulations(env, len(seeds) * num_envs, num_threads, max_episode_steps)
    seed_bits = 64 if wide_seeds else simulations.seed_bits
    return SteppedRollouts(
        simulations, seeds, num_envs, exploration_noise, keep_rows, seed_offset, seed_bits
    )
