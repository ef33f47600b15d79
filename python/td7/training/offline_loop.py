"""The offline loop: updates on a fixed data set, and an evaluation now and then."""

from __future__ import annotations

from td7.run.state import RunState
from td7.training.loop import evaluate_through
from td7.training.report import Report
from td7.training.stop import Breaks


def run_offline(run: RunState, report: Report, breaks: Breaks) -> None:
    """Train all members up to their next evaluations, evaluate, and so on.

    Ends when the run has, or breaks off: then another call goes on, or one on the state that was
    saved. A stop cuts updates between two of them, and an evaluation, which then is made anew.
    """
    members = range(len(run.debts))
    report.progress.learning_started()
    while not (breaks() or run.finished()):
        if not any(run.debts):  # else a break has cut a round: no member runs ahead of it
            if not all(evaluate_through(run, m, run.steps[m], report, breaks) for m in members):
                return
            for member in members:
                due = run.next_evaluation(member)
                run.debts[member] = 0 if due is None else due - run.steps[member]
        owing = [member for member in members if run.debts[member]]
        try:
            run.train(owing, breaks, report.updates)
        finally:
            for member in owing:
                if run.debts[member] == 0:
                    report.learning(member)
