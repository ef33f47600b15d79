"""The online loop: collect under a frozen policy, assess it, train the debt, evaluate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from td7.envs import SimulationError
from td7.policy.acting import Acting
from td7.policy.module import PolicyModule
from td7.rollout import Behaviour
from td7.run.state import RunState
from td7.training.evaluate import Evaluated, cut_text, evaluate, evaluate_in_turn
from td7.training.report import Report
from td7.training.stop import Breaks


@dataclass
class _Burst:
    """A burst under way: the members that owed updates, and its end."""

    members: list[int]
    end: Future[None]


def run_turns(run: RunState, report: Report, breaks: Breaks) -> None:
    """Run turns: their members collect an assessment each, then their debts are trained together.

    Where there are two turns, as on a GPU, one collects while the other trains. Ends when the run
    has, or breaks off: then another call goes on, or one on the state that was saved. Only a stop
    cuts an evaluation, which then is made anew.
    """
    everyone = range(len(run.debts))
    for member in everyone:  # a stop may have cut the evaluation before a wave was counted
        _count_wave(run, member, report, breaks)
    _evaluate_settled(run, everyone, report, breaks)
    burst: _Burst | None = None
    with ThreadPoolExecutor(1) as pool:
        try:
            while not breaks() and not (burst is None and run.finished()):
                for turn in run.turns:
                    _collect(run, turn, report, breaks)
                    _evaluate_settled(run, turn, report, breaks)
                    last, burst = burst, None
                    try:
                        if last is not None:
                            last.end.result()
                        if owed := [member for member in turn if run.debts[member] > 0]:
                            start = _at_once if len(run.turns) == 1 else pool.submit
                            end = start(run.train, turn, breaks, report.updates)
                            burst = _Burst(owed, end)
                    finally:
                        if last is not None:
                            _after_burst(run, last, report, breaks)
                    if len(run.turns) == 1:
                        last, burst = burst, None
                        _settle(run, last, report, breaks)
        finally:
            _settle(run, burst, report, breaks)


def _at_once(work: Callable[..., None], *arguments: object) -> Future[None]:
    """Do in this thread what a pool would do in another."""
    end: Future[None] = Future()
    try:
        work(*arguments)
        end.set_result(None)
    except Exception as error:
        end.set_exception(error)
    return end


def _settle(run: RunState, burst: _Burst | None, report: Report, breaks: Breaks) -> None:
    """Wait for a burst, if there is one, and do what follows it; raises what it raised."""
    if burst is None:
        return
    try:
        burst.end.result()
    finally:
        _after_burst(run, burst, report, breaks)


def _after_burst(run: RunState, burst: _Burst, report: Report, breaks: Breaks) -> None:
    """Report members that have paid their debts, and evaluate them if that is due."""
    # those that a stop or a failure has not cut
    paid = [member for member in burst.members if run.debts[member] == 0]
    for member in paid:  # all of them before any evaluation, which may fail
        try:
            report.round(member)
        finally:  # else a state saved after an error would owe nothing and want no episode
            if run.settings.config.use_checkpoints:
                run.rules[member].add_burst(run.learners.updates[member])
    for member in paid:
        evaluate_through(run, member, run.collector.env_steps[member], report, breaks)


def _collect(run: RunState, turn: Sequence[int], report: Report, breaks: Breaks) -> None:
    """Collect, the turn's members together, until each owes updates or has taken its steps."""
    config, total = run.settings.config, run.settings.total_steps
    members = [m for m in turn if run.debts[m] == 0]
    policies = run.collecting_policies(members)
    while True:
        env_steps = run.collector.env_steps
        report.progress.env_steps[:] = env_steps
        if all(run.learning):
            report.progress.learning_started()
        members = [m for m in members if run.debts[m] == 0 and env_steps[m] < total]
        if breaks() or not members:
            return
        for member in members:
            if run.learning[member] and not config.use_checkpoints:
                _take_step(run, member, policies)
            else:
                run.collector.begin(member, _episodes_wanted(run, member))
        until_save = breaks.steps_left()
        most = total if until_save is None else -(-until_save // len(members))
        left = [min(most, total - n) if m in members else 0 for m, n in enumerate(env_steps)]
        at_first: Behaviour = "random" if run.settings.start is None else "explore"
        behaviours: list[Behaviour] = ["explore" if learns else at_first for learns in run.learning]
        failure = None
        try:
            run.collector.run(policies, behaviours, left, breaks)
        except RuntimeError as error:  # of a simulation, or raised by its code
            failure = error
        for member in members:  # a member whose wave is whole goes on as it would alone
            _count_wave(run, member, report, breaks)
        if failure is not None:
            raise run.count_failure(failure)


def _take_step(run: RunState, member: int, policies: Sequence[Acting]) -> None:
    """Take one step of each simulation, without checkpoints; every step owes an update."""
    before = run.collector.env_steps[member]
    try:
        ended = run.collector.step(member, policies, run.settings.total_steps - before)
        run.recent_episodes[member] += ended
    except RuntimeError as error:
        counted = run.count_failure(error)
        raise counted from counted.__cause__
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


def _count_wave(run: RunState, member: int, report: Report, breaks: Breaks) -> None:
    """Assess the episodes of a wave that has ended; set the debt when they end the assessment."""
    # evaluations that fell due before the wave's last step know nothing of its outcome
    env_steps = run.collector.env_steps[member]
    run.collector.finish(member)
    if not evaluate_through(run, member, env_steps - 1, report, breaks):
        return  # a stop, or an episode under way: nothing is assessed
    episodes, run.collector.uncounted[member] = run.collector.uncounted[member], []
    if not episodes:
        return
    if not run.learning[member]:
        run.learning[member] = env_steps > run.settings.config.warmup_steps
        return
    run.recent_episodes[member] += episodes
    run.assess(member, episodes)


def _evaluate_settled(
    run: RunState, members: Sequence[int], report: Report, breaks: Breaks
) -> None:
    """Make the evaluations due of those members that owe nothing."""
    for member in members:
        if run.debts[member] == 0:
            evaluate_through(run, member, run.collector.env_steps[member], report, breaks)


def evaluate_through(
    run: RunState, member: int, steps: int, report: Report, breaks: Breaks
) -> bool:
    """Make every evaluation due up to this step, without noise.

    Returns False if a stop cut one, or if one waits for the end of an episode.
    """
    config = run.settings.config
    while (due := run.next_evaluation(member)) is not None and due <= steps:
        policy = run.policy_module(member, run.evaluated_policy)
        try:
            if not run.ready_to_evaluate(member):
                return False
            evaluated = _evaluated(run, member, policy, breaks.stopped)
        except RuntimeError as error:
            kind = SimulationError if isinstance(error, SimulationError) else RuntimeError
            step = "update" if run.settings.offline else "env step"
            counted = run.count_failure(error)
            raise kind(f"evaluation at {step} {due}: {counted}") from error
        if evaluated is None:
            return False
        run.evaluated[member] = due
        report.evaluation(member, due, evaluated)
        if text := cut_text(evaluated.cut, len(evaluated.returns), config.eval_max_steps):
            report.say_once(f"evaluation: {text}")
    return True


def _evaluated(
    run: RunState, member: int, policy: PolicyModule, stopped: Callable[[], bool]
) -> Evaluated | None:
    """Evaluate a member's policy where the run evaluates; None when `stopped` cut it short."""
    config = run.settings.config
    if config.eval_in_training_env:
        episodes = config.eval_episodes
        arguments = run.rollouts, member, policy, stopped, config.eval_max_steps
        return evaluate_in_turn(*arguments, episodes)
    if run.eval_rollouts is None:
        return Evaluated([], [])
    return evaluate(run.eval_rollouts, member, policy, stopped, config.eval_max_steps)
