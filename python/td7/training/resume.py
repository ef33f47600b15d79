"""Continues a run, online or offline, from its saved state."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from td7.config import RunConfig
from td7.envs.vector_args import at_least
from td7.run_folder import MOST_STEPS, RunSettings, locked, read_settings, write_settings
from td7.torch_settings import run_settings
from td7.training.plan import check_device
from td7.training.run_state import RunState
from td7.training.saved_state import latest, load_state
from td7.training.sitting import TrainResult, memory_named, sit

NO_STATE = "no state was saved: the run starts again from its first step"


def resume(
    folder: str | Path, *, total_steps: int | None = None, run: RunConfig | None = None
) -> TrainResult:
    """Continue a run from its saved state, with its own settings, to its own or a later end.

    It goes on as if it had never stopped, to the bit on a CPU with the same versions and torch
    threads. (The evaluation at an end that is no multiple of eval_every is one more: past such an
    end evaluations have other episodes than those of a run that was longer from the start.) An
    online run that was killed before its first save starts again. The environment's
    code, such as the file of a task, is run as config.json names it.

    Raises ValueError for a folder that holds no run or no state, a file that is not as it was
    saved, a device that is not there, or an end that the run has already passed.
    """
    folder = Path(folder)
    settings = read_settings(folder)
    if total_steps is not None:
        total_steps = at_least(1, total_steps, "total_steps", most=MOST_STEPS)
        if total_steps < settings.total_steps:
            raise ValueError(
                f"total_steps must be at least the run's {settings.total_steps}, got {total_steps}"
            )
        settings = dataclasses.replace(settings, total_steps=total_steps)
    check_device(settings.device)
    run = run or RunConfig()
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


def _nothing_saved(settings: RunSettings) -> str:
    if settings.offline or settings.start is not None:
        raise ValueError(
            "no state was saved, and without it a run has neither its data set nor the networks "
            "that it began with: start it anew, with --overwrite"
        )
    return NO_STATE
