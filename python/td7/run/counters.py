"""What a state holds beside weights and replay: every member's counters, and its episodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td7.rollout import Episode, SimulationState
from td7.run.members import pairs
from td7.run.state import RunState


def episode_actions(
    simulations: Sequence[Sequence[SimulationState]],
) -> dict[str, NDArray[np.float32]]:
    """Name the actions of episodes under way by member and simulation."""
    return {
        f"{member}.{sim}": state.actions
        for member, states in enumerate(simulations)
        for sim, state in enumerate(states)
        if len(state.actions)
    }


def counters(run: RunState, simulations: Sequence[Sequence[SimulationState]]) -> dict[str, Any]:
    """Return the content of counters.json, but for what belongs to the session."""
    members = []
    for number, member in enumerate(run.members):
        group, local = run.group_of(number)
        evaluation = [] if run.eval_rollouts is None else run.eval_rollouts.states(number)
        uncounted = pairs(run.collector.uncounted[number])
        members.append(
            {
                "simulations": [_without_actions(state) for state in simulations[number]],
                "evaluation": [_without_actions(state) for state in evaluation],
                "wave": run.collector.waves[number],
                **({"uncounted": uncounted} if uncounted else {}),
                "update_metrics": group.metrics.state(local),
                **member.to_json(),
            }
        )
    return {
        "updates": run.learners.updates,
        "members": members,
        **({"failures": run.failures} if run.failures else {}),
    }


def restore_member(
    run: RunState, number: int, saved: dict[str, Any], actions: dict[str, NDArray[np.float32]]
) -> list[int]:
    """Restore a member; return the simulations whose episodes are lost.

    REQUIRES: checked by `td7.run.counter_checks`.
    """
    nothing = np.zeros((0, run.rollouts.action_space.shape[0]), np.float32)
    states = [
        SimulationState(**each, actions=actions.get(f"{number}.{sim}", nothing))
        for sim, each in enumerate(saved["simulations"])
    ]
    lost = run.collector.resume(number, states, run.policies[number], saved["wave"])
    run.collector.uncounted[number] = [Episode(*each) for each in saved.get("uncounted", [])]
    if run.eval_rollouts is not None:
        evaluation = [SimulationState(**each, actions=nothing) for each in saved["evaluation"]]
        run.eval_rollouts.resume(number, evaluation, run.policies[number])
    group, local = run.group_of(number)
    group.metrics.restore(local, saved["update_metrics"], group.learner.per_member())
    run.members[number].restore(saved)
    return lost


def _without_actions(state: SimulationState) -> dict[str, Any]:
    return {key: value for key, value in vars(state).items() if key != "actions"}
