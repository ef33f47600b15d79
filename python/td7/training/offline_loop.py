"""The offline loop: updates on a fixed data set, and an evaluation now and then."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from td7.run.state import RunState
from td7.training.evaluations import evaluate_through
from td7.training.report import Report
from td7.training.stop import Breaks


def offline_loop(
    run: RunState, members: Sequence[int], report: Report, breaks: Breaks
) -> Generator[list[int], None, None]:
    """Yield the members that owe updates up to their next evaluation, until they are finished.

    Whoever takes them makes their updates, or throws the error of a burst that failed. The loop
    ends early at a break; a new one continues, also from a saved state.
    """
    report.progress.learning_started()
    while not (breaks() or run.finished(members)):
        if not any(run.members[m].debt for m in members):  # else a break has cut a burst
            if not all(evaluate_through(run, m, run.steps[m], report, breaks) for m in members):
                return
            for member in members:
                due = run.next_evaluation(member)
                run.members[member].debt = 0 if due is None else due - run.steps[member]
        owing = [member for member in members if run.members[member].debt > 0]
        try:
            yield owing
        except Exception:
            _report(run, owing, report)
            raise
        _report(run, owing, report)


def _report(run: RunState, owing: Sequence[int], report: Report) -> None:
    """Report the members whose burst is complete."""
    for member in owing:
        if run.members[member].debt == 0:
            report.learning(member)
