"""Online TD7: collect under a frozen policy, assess it, train the debt in a burst, evaluate."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from td7.config import RunConfig, TD7Config
from td7.deploy.native import NativePolicy
from td7.deploy.policy import Policy
from td7.envs import SimulationError, absolute_name
from td7.rollout import Behaviour
from td7.run_folder import (
    RunSettings,
    default_folder,
    make_run_folder,
    policy_folder,
    read_settings,
    write_settings,
)
from td7.training.evaluate import evaluate
from td7.training.report import Report
from td7.training.run_state import RunState
from td7.training.saved_state import load_state, save_state
from td7.training.stop import StopSignal


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
    state = RunState(settings, run)
    try:
        make_run_folder(folder, state.settings, run.overwrite)
        return _run(state, folder, run)
    finally:
        state.close()


def resume(
    folder: str | Path, *, total_steps: int | None = None, run: RunConfig | None = None
) -> TrainResult:
    """Continue a run from its saved state, with its own settings, to its own or a later end.

    The environment's code, such as the file of a task, is run as config.json names it.

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
    state = RunState(settings, run)
    try:
        load_state(state, folder)
        write_settings(folder, settings)
        return _run(state, folder, run)
    finally:
        state.close()


def _run(state: RunState, folder: Path, run: RunConfig) -> TrainResult:
    """Run the loop with its reports and signals, and save the state at its end or at an error."""
    with Report(state, folder, run) as report, StopSignal() as stopped:
        try:
            _loop(state, report, stopped)
        except KeyboardInterrupt:
            # a second signal cut an update in two: what was saved before is better than that
            report.say("interrupted: the state was not saved")
            raise
        except BaseException:
            _save(state, folder, report, stopped)
            raise
        _save(state, folder, report, stopped)
        if not state.finished():
            report.say(f"stopped; continue with: td7 train --resume {folder}")
    policies = {
        seed: state.policy(member, state.collector.env_steps[member])
        for member, seed in enumerate(state.settings.seeds)
    }
    return TrainResult(folder, policies, state.finished(), *report.progress.rates())


def _save(state: RunState, folder: Path, report: Report, stopped: StopSignal) -> None:
    """Save the state; a further signal waits until it is whole."""
    stopped.hold = True
    if not state.finished():
        report.say("saving the state ...")
    state.wall_s, state.metrics_bytes = report.wall_s(), report.metrics.size()
    save_state(state, folder)
    stopped.hold = False


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


def _loop(run: RunState, report: Report, stopped: Callable[[], bool]) -> None:
    """Run rounds: every member collects one assessment, then all debts are trained together."""
    members, config = range(len(run.settings.seeds)), run.settings.config
    for member in members:
        if run.debts[member] == 0:
            _evaluate_through(run, member, run.collector.env_steps[member], report, stopped)
    while not stopped() and not run.finished():
        _collect(run, report, stopped)
        if all(run.learning):
            report.progress.learning_started()
        owed = [debt > 0 for debt in run.debts]
        run.train(stopped, report.updates)
        for member in members:
            if run.debts[member] > 0:
                continue  # a stop cut the burst
            if owed[member] and run.recent_episodes[member]:
                report.round(member)
            if owed[member] and config.use_checkpoints:
                run.rules[member].add_burst(run.learners.updates[member])
            _evaluate_through(run, member, run.collector.env_steps[member], report, stopped)


def _collect(run: RunState, report: Report, stopped: Callable[[], bool]) -> None:
    """Collect, all members together, until each owes updates or has taken its steps."""
    config, total = run.settings.config, run.settings.total_steps
    members = [m for m, debt in enumerate(run.debts) if debt == 0]
    policies = run.collecting_policies(members)
    while not stopped():
        env_steps = run.collector.env_steps
        report.progress.env_steps[:] = env_steps
        members = [m for m in members if run.debts[m] == 0 and env_steps[m] < total]
        if not members:
            return
        for member in members:
            if run.learning[member] and not config.use_checkpoints:
                _take_step(run, member, policies)
            else:
                run.collector.begin(member, _episodes_wanted(run, member))
        left = [total - steps if m in members else 0 for m, steps in enumerate(env_steps)]
        behaviours: list[Behaviour] = ["explore" if learns else "random" for learns in run.learning]
        failure = None
        try:
            run.collector.run(policies, behaviours, left, stopped)
        except SimulationError as error:
            failure = error
        for member in members:  # a member whose wave is whole goes on as it would alone
            _count_wave(run, member, report, stopped)
        if failure is not None:
            raise failure


def _take_step(run: RunState, member: int, policies: Sequence[NativePolicy]) -> None:
    """Take one step of each simulation, without checkpoints; every step owes an update."""
    before = run.collector.env_steps[member]
    try:
        ended = run.collector.step(member, policies, run.settings.total_steps - before)
        run.recent_episodes[member] += ended
    finally:
        run.debts[member] = run.collector.env_steps[member] - before


def _episodes_wanted(run: RunState, member: int) -> int:
    """Return how many episodes the assessment, or the warm-up at most, still wants."""
    if run.learning[member]:
        return run.rules[member].episodes_left
    longest = run.rollouts.max_episode_steps
    if longest is None:
        return 1
    left = run.settings.config.warmup_steps + 1 - run.collector.env_steps[member]
    return max(1, -(-left // longest))


def _count_wave(run: RunState, member: int, report: Report, stopped: Callable[[], bool]) -> None:
    """Assess the episodes of a wave that has ended; set the debt when they end the assessment."""
    # evaluations that fell due before the wave's last step know nothing of its outcome
    env_steps = run.collector.env_steps[member]
    if not _evaluate_through(run, member, env_steps - 1, report, stopped):
        return  # a stop: the episodes stay unassessed
    episodes = run.collector.finish(member)
    if episodes is None:
        return
    if not run.learning[member]:
        run.learning[member] = env_steps > run.settings.config.warmup_steps
        return
    run.recent_episodes[member] += episodes
    run.assess(member, episodes)


def _evaluate_through(
    run: RunState, member: int, env_steps: int, report: Report, stopped: Callable[[], bool]
) -> bool:
    """Make every evaluation due up to this step, without noise; False if a stop cut one."""
    while (due := run.next_evaluation(member)) is not None and due <= env_steps:
        policy = run.policy(member, due)
        try:
            evaluated = evaluate(run.eval_rollouts, member, policy.module, stopped)
        except SimulationError as error:
            raise SimulationError(f"evaluation at env step {due}: {error}") from error
        if evaluated is None:
            return False
        run.evaluated[member] = due
        report.evaluation(member, due, evaluated)
        policy.save(policy_folder(report.folder, run.settings.seeds[member]))
    return True
