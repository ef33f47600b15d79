"""The evaluations of a run: when they are due, and in which environment they are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from td7.envs import SimulationError
from td7.policy.module import PolicyModule
from td7.run.state import RunState
from td7.training.evaluate import Evaluated, cut_text, evaluate, evaluate_in_turn
from td7.training.report import Report
from td7.training.stop import Breaks


def evaluate_settled(run: RunState, members: Sequence[int], report: Report, breaks: Breaks) -> None:
    """Make the evaluations due of those members that owe no updates."""
    for member in members:
        if run.members[member].debt == 0:
            evaluate_through(run, member, run.collector.env_steps[member], report, breaks)


def evaluate_through(
    run: RunState, member: int, steps: int, report: Report, breaks: Breaks
) -> bool:
    """Make every evaluation due up to this step of the run's clock, without noise.

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
            step = run.settings.clock.replace("_", " ").removesuffix("s")
            counted = run.count_failure(error)
            raise kind(f"evaluation at {step} {due}: {counted}") from error
        if evaluated is None:
            return False
        run.members[member].evaluated = due
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
