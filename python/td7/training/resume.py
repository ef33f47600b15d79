"""Continues a run, online or offline, from its saved state."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from td7.config import RunConfig
from td7.envs.vector_args import at_least
from td7.files.path_names import checked_path
from td7.policy.module import PolicyModule
from td7.policy.saved import load_policy
from td7.run.environment import env_of_run, with_code_folder
from td7.run.folder import (
    MOST_STEPS,
    RunSettings,
    locked,
    policy_folder,
    read_settings,
    write_settings,
)
from td7.run.placement import check_device
from td7.run.replaced import ASIDE, put_back
from td7.run.saving import latest, load_state
from td7.run.state import RunState
from td7.torch_settings import run_settings
from td7.training.session import TrainResult, memory_named, sit

NO_STATE = "no state was saved: the run starts again from its first step"


def resume(
    folder: str | Path,
    *,
    total_steps: int | None = None,
    run: RunConfig | None = None,
    env: str | None = None,
) -> TrainResult:
    """Continue a run from its saved state, with its own settings, to its own or a later end.

    It goes on as if it had never stopped, to the bit on a CPU with the same versions and torch
    threads. (The evaluation at an end that is no multiple of eval_every is one more: past such an
    end evaluations have other episodes than those of a run that was longer from the start.) An
    online run that was killed before its first save starts again. The environment's
    code, such as the file of a task, is run as config.json names it, or `env` in its place: one of
    the same sizes and bounds, which is then the run's.

    Raises ValueError for a folder that holds no run or no state, a file that is not as it was
    saved, a device that is not there, or an end that the run has already passed.
    """
    folder, run = checked_path(folder, "run").absolute(), (run or RunConfig()).resolved()
    if not (folder / "config.json").exists() and (folder / ASIDE).is_dir():
        with locked(folder):  # a kill cut its replacement short
            put_back(folder)
    settings = read_settings(folder)
    if total_steps is not None:
        total_steps = at_least(1, total_steps, "total_steps", most=MOST_STEPS)
        if total_steps < settings.total_steps:
            raise ValueError(
                f"total_steps must be at least the run's {settings.total_steps}, got {total_steps}"
            )
        settings = dataclasses.replace(settings, total_steps=total_steps)
    check_device(settings.device)
    found = env_of_run(folder, settings, env, _saved_policy(folder, settings) if env else None)
    if found != settings.env:
        settings = with_code_folder(dataclasses.replace(settings, env=found), folder)
    with memory_named(settings.device), run_settings():
        state = RunState(settings, run)
        try:
            with locked(folder):
                notes = load_state(state, folder) if latest(folder) else [_nothing_saved(settings)]
                if state.finished():
                    notes.append(
                        f"the run has finished: it has made its {settings.total_steps} "
                        + ("updates" if settings.offline else "steps")
                    )
                write_settings(folder, state.settings)
                return sit(state, folder, run, notes)
        finally:
            state.close()


def _saved_policy(folder: Path, settings: RunSettings) -> PolicyModule | None:
    """Return the policy that says sizes and bounds, None where none was saved yet."""
    path = policy_folder(folder, settings.seeds[0])
    return load_policy(path).module if path.exists() else None


def _nothing_saved(settings: RunSettings) -> str:
    if settings.offline or settings.start is not None:
        raise ValueError(
            "no state was saved, and without it a run has neither its data set nor the networks "
            "that it began with: start it anew, with --overwrite"
        )
    return NO_STATE
