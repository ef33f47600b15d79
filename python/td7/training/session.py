"""One session of a run: loop, reports, signals and saves, until it finishes or is stopped."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from td7.config import RunConfig
from td7.policy.saved import Policy
from td7.run.replaced import ASIDE, drop_replaced
from td7.run.saving import latest, save_state
from td7.run.state import RunState
from td7.training.drivers import in_turn, one_after_another
from td7.training.loop import online_loop
from td7.training.offline_loop import offline_loop
from td7.training.report import Report
from td7.training.stop import Breaks, StopSignal

LOOPS = {"env_steps": online_loop, "updates": offline_loop}  # by the run's clock


@dataclass(frozen=True)
class TrainResult:
    """What `train` leaves: the run folder, and one policy a seed."""

    folder: Path
    policies: dict[int, Policy]
    finished: bool
    env_steps_per_s: float
    updates_per_s: float


@contextmanager
def memory_named(device: str) -> Iterator[None]:
    """Say what helps when a device's memory is not enough."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        reason = str(error).splitlines()[0]
        raise RuntimeError(
            f"{device} has not enough memory ({reason}): fewer seeds, a smaller buffer_capacity or "
            "replay='host' take less"
        ) from error


def sit(state: RunState, folder: Path, run: RunConfig, notes: Sequence[str] = ()) -> TrainResult:
    """Run the loop with its reports and signals, and save the state at its end or at an error."""
    make_loop = LOOPS[state.settings.clock]
    with StopSignal() as stopped, Report(state, folder, run) as report:
        for note in notes:
            report.say(note)
        report.policies()  # a kill may have come between a save and this
        breaks = Breaks(
            stopped, lambda: sum(report.progress.steps), run.save_every_s, run.save_every_steps
        )
        try:
            while not (stopped() or state.finished()):
                loops = [make_loop(state, turn, report, breaks) for turn in state.turns]
                if len(loops) == 1:
                    one_after_another(loops[0], state, breaks, report.updates)
                else:
                    in_turn(loops, state, breaks, report.updates)
                if not (stopped() or state.finished()):
                    began = time.monotonic()
                    _save_on_the_way(state, folder, report, stopped)
                    with report.going_on(f"{ASIDE}/"):
                        if latest(folder):
                            drop_replaced(folder)
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
        drop_replaced(folder)
        report.finish()
        if not state.finished():
            report.say(f"stopped; continue with: td7 train --resume {shlex.quote(str(folder))}")
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
    else:
        report.policies()
    finally:
        stopped.hold = False


def _save_on_the_way(state: RunState, folder: Path, report: Report, stopped: StopSignal) -> None:
    """Save the state of a run that goes on, or ends by another error, even where it cannot be."""
    try:
        _save(state, folder, report, stopped)
    except OSError as error:
        report.say(str(error))
