"""Online TD7: a run from its settings or its saved state to its end, and the state saved."""

from __future__ import annotations

import dataclasses
import operator
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from td7.config import RunConfig, TD7Config
from td7.deploy.policy import Policy
from td7.envs import absolute_name
from td7.run_folder import (
    RunSettings,
    check_free,
    default_folder,
    locked,
    make_run_folder,
    read_settings,
    write_settings,
)
from td7.training.loop import run_turns
from td7.training.report import Report
from td7.training.run_state import RunState
from td7.training.saved_state import latest, load_state, save_state
from td7.training.stop import Breaks, StopSignal

NO_STATE = "no state was saved: the run starts again from its first step"


@dataclass(frozen=True)
class TrainResult:
    """What `train` leaves: the run folder, and one policy a seed."""

    folder: Path
    policies: dict[int, Policy]
    finished: bool
    env_steps_per_s: float
    updates_per_s: float


def train(
    env: str,
    *,
    seeds: Sequence[int] = (0,),
    total_steps: int = 300_000,
    config: TD7Config | None = None,
    run: RunConfig | None = None,
    device: str = "auto",
) -> TrainResult:
    """Train one TD7 member for each seed on a Gymnasium id or a task, `FILE.py:CLASS`.

    A SIGINT or SIGTERM stops at the next update or step, with the state saved. Raises ValueError
    for an environment or argument that cannot be trained, FileExistsError for a folder in use,
    SimulationError (state saved) when an environment fails or returns a value that is not finite.
    """
    config, run = config or TD7Config(), run or RunConfig()
    settings = _settings(env, seeds, total_steps, config, device)
    folder = Path(run.out or default_folder(env, settings.seeds))
    with _memory_named(settings.device):
        state = RunState(settings, run)
        try:
            check_free(folder, run.overwrite)
            with locked(folder):
                make_run_folder(folder, state.settings)
                return _run(state, folder, run)
        finally:
            state.close()


def resume(
    folder: str | Path, *, total_steps: int | None = None, run: RunConfig | None = None
) -> TrainResult:
    """Continue a run from its saved state, with its own settings, to its own or a later end.

    It goes on as if it had never stopped, to the bit on a CPU with the same versions and torch
    threads. A run that was killed before its first save starts again. The environment's code, such
    as the file of a task, is run as config.json names it.

    Raises ValueError for a folder that holds no run or no state, a file that is not as it was
    saved, a device that is not there, or an end that the run has already passed.
    """
    folder = Path(folder)
    settings = read_settings(folder)
    if total_steps is not None:
        if total_steps < settings.total_steps:
            raise ValueError(
                f"total_steps must be at least the run's {settings.total_steps}, got {total_steps}"
            )
        settings = dataclasses.replace(settings, total_steps=total_steps)
    _check_device(settings.device)
    run = run or RunConfig()
    with _memory_named(settings.device):
        state = RunState(settings, run)
        try:
            with locked(folder):
                notes = load_state(state, folder) if latest(folder) else [NO_STATE]
                if state.finished():
                    notes.append(
                        f"the run has finished: it has taken its {settings.total_steps} steps"
                    )
                write_settings(folder, state.settings)
                return _run(state, folder, run, notes)
        finally:
            state.close()


@contextmanager
def _memory_named(device: str) -> Iterator[None]:
    """Say what helps when a device's memory is not enough."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        reason = str(error).splitlines()[0]
        raise RuntimeError(
            f"{device} has not enough memory ({reason}): fewer seeds, a smaller buffer_capacity or "
            "replay='host' take less"
        ) from error


def _run(state: RunState, folder: Path, run: RunConfig, notes: Sequence[str] = ()) -> TrainResult:
    """Run the loop with its reports and signals, and save the state at its end or at an error."""
    with StopSignal() as stopped, Report(state, folder, run) as report:
        for note in notes:
            report.say(note)
        breaks = Breaks(
            stopped, lambda: sum(report.progress.env_steps), run.save_every_s, run.save_every_steps
        )
        try:
            while not (stopped() or state.finished()):
                run_turns(state, report, breaks)
                if not (stopped() or state.finished()):
                    began = time.monotonic()
                    _save_on_the_way(state, folder, report, stopped)
                    breaks.saved(time.monotonic() - began)
        except KeyboardInterrupt:
            # a second signal cut an update in two: what was saved before is better than that
            report.say("interrupted: the state was not saved")
            raise
        except BaseException:
            if not state.is_whole():
                report.say("an update was cut in two: the state saved before stays the last one")
                raise
            state.collector.cut()  # the same episode might fail again
            _save_on_the_way(state, folder, report, stopped)
            raise
        _save(state, folder, report, stopped)
        report.finish()
        if not state.finished():
            report.say(f"stopped; continue with: td7 train --resume {folder}")
    policies = {
        seed: state.policy(member, state.collector.env_steps[member])
        for member, seed in enumerate(state.settings.seeds)
    }
    return TrainResult(folder, policies, state.finished(), *report.progress.rates())


def _save(state: RunState, folder: Path, report: Report, stopped: StopSignal) -> None:
    """Save the state; a further signal waits until it is whole. Raises OSError where it cannot."""
    stopped.hold = True
    report.flush()
    try:
        save_state(state, folder, wall_s=report.wall_s(), metrics_bytes=report.metrics.size())
    except OSError as error:
        kept = "the last one stays" if latest(folder) else "there is none yet"
        raise OSError(f"the state could not be saved, and {kept}: {error}") from error
    finally:
        stopped.hold = False


def _save_on_the_way(state: RunState, folder: Path, report: Report, stopped: StopSignal) -> None:
    """Save the state of a run that goes on, or ends by another error, even where it cannot be."""
    try:
        _save(state, folder, report, stopped)
    except OSError as error:
        report.say(str(error))


def _settings(
    env: str, seeds: Sequence[int], total_steps: int, config: TD7Config, device: str
) -> RunSettings:
    if not isinstance(env, str):
        raise TypeError(f"env must be a Gymnasium id or FILE.py:CLASS, got {env!r}")
    try:
        if any(isinstance(number, bool) for number in (*seeds, total_steps)):
            raise TypeError("got a bool")
        chosen = tuple(operator.index(seed) for seed in seeds)
        total_steps = operator.index(total_steps)
    except TypeError as error:
        raise TypeError(f"seeds and total_steps must be whole numbers: {error}") from error
    if not chosen or len(set(chosen)) != len(chosen) or min(chosen) < 0:
        raise ValueError(f"seeds must be distinct and not negative, got {list(chosen)}")
    if total_steps < 1:
        raise ValueError(f"total_steps must be at least 1, got {total_steps}")
    device = str(device)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    _check_device(device)
    return RunSettings(
        absolute_name(env), chosen, total_steps, device, torch.get_num_threads(), config
    )


def _check_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device must be there, got {device!r}: {reason}") from error
