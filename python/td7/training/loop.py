"""The online loop: collect under a frozen policy, assess it, make the updates owed, evaluate."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from td7.policy.acting import Acting
from td7.rollout import Behaviour
from td7.run.state import RunState
from td7.training.evaluations import evaluate_settled, evaluate_through
from td7.training.report import Report
from td7.training.stop import Breaks


def online_loop(
    run: RunState, members: Sequence[int], report: Report, breaks: Breaks
) -> Generator[list[int], None, None]:
    """Yield the members that owe updates, after each assessment, until they are finished.

    Whoever takes them makes their updates, or throws the error of a burst that failed. The loop
    ends early at a break; a new one continues, also from a saved state.
    """
    for member in members:  # a stop may have cut the evaluation before a wave was counted
        count_wave(run, member, report, breaks)
    evaluate_settled(run, members, report, breaks)
    while not (breaks() or run.finished(members)):
        collect(run, members, report, breaks)
        evaluate_settled(run, members, report, breaks)
        owing = [member for member in members if run.members[member].debt > 0]
        if not owing:
            continue
        try:
            yield owing
        except Exception:
            count_bursts(run, owing, report, breaks)
            raise
        count_bursts(run, owing, report, breaks)


def collect(run: RunState, members: Sequence[int], report: Report, breaks: Breaks) -> None:
    """Collect, members together, until each owes updates or has taken its steps."""
    total = run.settings.total_steps
    members = [m for m in members if run.members[m].debt == 0]
    policies = run.collecting_policies(members)
    while True:
        env_steps = run.collector.env_steps
        report.progress.env_steps[:] = env_steps
        if all(member.learning for member in run.members):
            report.progress.learning_started()
        evaluate_settled(run, members, report, breaks)
        members = [m for m in members if run.members[m].debt == 0 and env_steps[m] < total]
        if breaks() or not members:
            return
        for member in members:
            if run.members[member].learning and not run.settings.config.use_checkpoints:
                take_step(run, member, policies)
            else:
                run.collector.begin(member, episodes_wanted(run, member))
        failure = None
        try:
            left = steps_left(run, members, breaks)
            run.collector.run(policies, behaviours(run), left, breaks)
        except RuntimeError as error:  # of a simulation, or raised by its code
            failure = run.count_failure(error)
        for member in members:  # a member whose wave is whole continues as it would alone
            count_wave(run, member, report, breaks)
        if failure is not None:
            raise failure


def steps_left(run: RunState, members: Sequence[int], breaks: Breaks) -> list[int]:
    """Return the steps that each member of the run may take now [P]."""
    total, until_save = run.settings.total_steps, breaks.steps_left()
    most = total if until_save is None else -(-until_save // len(members))
    left = [0] * len(run.members)
    for member in members:
        taken = run.collector.env_steps[member]
        until_learning = run.until_learning(member)
        left[member] = min(most, total - taken, total if until_learning is None else until_learning)
    return left


def behaviours(run: RunState) -> list[Behaviour]:
    """Return how each member acts [P]: a run that began with another's networks is not random."""
    at_first: Behaviour = "random" if run.settings.start is None else "explore"
    return ["explore" if member.learning else at_first for member in run.members]


def take_step(run: RunState, member: int, policies: Sequence[Acting]) -> None:
    """Take one step of each simulation, without checkpoints; every step owes an update."""
    before = run.collector.env_steps[member]
    try:
        ended = run.collector.step(member, policies, run.settings.total_steps - before)
        run.members[member].recent_episodes += ended
    except RuntimeError as error:
        counted = run.count_failure(error)
        raise counted from counted.__cause__
    finally:
        run.members[member].debt = run.collector.env_steps[member] - before


def episodes_wanted(run: RunState, member: int) -> int:
    """Return how many episodes the assessment, or the warm-up at most, still needs."""
    if run.members[member].learning:
        return run.members[member].rule.episodes_left
    longest = run.rollouts.max_episode_steps
    if longest is None:
        return 1
    left = run.settings.config.warmup_steps + 1 - run.collector.env_steps[member]
    return max(1, -(-left // longest))


def count_wave(run: RunState, member: int, report: Report, breaks: Breaks) -> None:
    """Assess the episodes of a wave that has ended, or end the warm-up."""
    # evaluations that fell due before the wave's last step know nothing of its outcome
    env_steps, mine = run.collector.env_steps[member], run.members[member]
    if run.until_learning(member) == 0:
        run.collector.leave_wave(member)
        mine.learning = True
    run.collector.finish(member)
    if not evaluate_through(run, member, env_steps - 1, report, breaks):
        return  # a stop, or an episode under way: nothing is assessed
    episodes, run.collector.uncounted[member] = run.collector.uncounted[member], []
    if not episodes:
        return
    if not mine.learning:
        ends = run.settings.config.learning_starts_with_episode
        mine.learning = ends and env_steps > run.settings.config.warmup_steps
        return
    run.assess(member, episodes)


def count_bursts(run: RunState, owing: Sequence[int], report: Report, breaks: Breaks) -> None:
    """Report the members whose burst is complete, and evaluate them if that is due."""
    complete = [member for member in owing if run.members[member].debt == 0]
    for member in complete:  # all of them before any evaluation, which may fail
        try:
            report.round(member)
        finally:  # else a state saved after an error would owe nothing and need no episode
            if run.settings.config.use_checkpoints:
                run.members[member].rule.add_burst(run.learners.updates[member])
    evaluate_settled(run, complete, report, breaks)
