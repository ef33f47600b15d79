"""The environment of a run: its own, found again, or another one that fits its policy."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np

from td7.envs import absolute_name, make_simulations
from td7.envs.source import code_folder, find_again
from td7.policy.module import PolicyModule
from td7.run.folder import RunSettings


def with_code_folder(settings: RunSettings, run: Path) -> RunSettings:
    """Return the settings with the folder of the environment's code: absolute, and from the run.

    The second is right where the code and the run folder are moved together.
    """
    folder = code_folder(settings.env)
    if folder is None:
        return dataclasses.replace(settings, env_folder=None, env_folder_from_run=None)
    from_run = os.path.relpath(folder, run.resolve())
    return dataclasses.replace(settings, env_folder=str(folder), env_folder_from_run=from_run)


def env_of_run(
    run: Path, settings: RunSettings, env: str | None = None, policy: PolicyModule | None = None
) -> str:
    """Return the name under which a run's environment, or `env` in its place, is found here.

    Raises ValueError for code that is nowhere, and for an `env` of other sizes or bounds than the
    policy's.
    """
    if env is not None:
        env = absolute_name(env)
        if policy is not None:
            check_fits(env, policy)
        return env
    folders = [
        folder
        for folder in (
            settings.env_folder and Path(settings.env_folder),
            settings.env_folder_from_run and (run / settings.env_folder_from_run).resolve(),
        )
        if folder
    ]
    return find_again(settings.env, list(dict.fromkeys(folders)))


def check_fits(env: str, policy: PolicyModule) -> None:
    """Raise ValueError for an environment of other sizes or bounds than the policy's."""
    simulations = make_simulations(env, 1)
    try:
        obs, action = simulations.observation_space, simulations.action_space
    finally:
        simulations.close()
    sizes = policy.obs_size, policy.action_size
    if (obs.shape[0], action.shape[0]) != sizes:
        given = obs.shape[0], action.shape[0]
        raise ValueError(f"env must be of {sizes} observations and actions, {env} is of {given}")
    bounds = policy.low.numpy(), policy.high.numpy()
    if not all(map(np.array_equal, bounds, (np.float32(action.low), np.float32(action.high)))):
        raise ValueError(f"env must have the policy's action bounds, {env} has {action}")
