"""What a state holds beside weights and replay: every member's counters, and its episodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from td7.agent.checkpoint import CheckpointRule
from td7.rollout import Episode, SimulationState
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
    members = [
        {
            "simulations": [_without_actions(state) for state in simulations[member]],
            "evaluation": [_without_actions(state) for state in _evaluation_states(run, member)],
            "wave": run.collector.waves[member],
            **_uncounted(run.collector.uncounted[member]),
            "update_metrics": run.update_metrics(member),
            "rule": {key: _encode(value) for key, value in dataclasses.asdict(rule).items()},
            "learning": run.learning[member],
            "debt": run.debts[member],
            "evaluated": run.evaluated[member],
            "checkpoint_steps": run.checkpoint_steps[member],
            "recent_episodes": _pairs(run.recent_episodes[member]),
        }
        for member, rule in enumerate(run.rules)
    ]
    return {
        "updates": run.learners.updates,
        "members": members,
        **({"failures": run.failures} if run.failures else {}),
    }


def _evaluation_states(run: RunState, member: int) -> list[SimulationState]:
    return [] if run.eval_rollouts is None else run.eval_rollouts.states(member)


def _uncounted(episodes: Sequence[Episode]) -> dict[str, Any]:
    return {"uncounted": _pairs(episodes)} if episodes else {}


def _pairs(episodes: Sequence[Episode]) -> list[tuple[float, int]]:
    return [(episode.episode_return, episode.length) for episode in episodes]


def _without_actions(state: SimulationState) -> dict[str, Any]:
    return {key: value for key, value in vars(state).items() if key != "actions"}


def restore_member(
    run: RunState, member: int, saved: dict[str, Any], actions: dict[str, NDArray[np.float32]]
) -> list[int]:
    """Restore what is a member's own; return the simulations whose episodes are lost.

    REQUIRES: checked by `td7.run.member_checks`.
    """
    nothing = np.zeros((0, run.rollouts.action_space.shape[0]), np.float32)
    states = [
        SimulationState(**each, actions=actions.get(f"{member}.{sim}", nothing))
        for sim, each in enumerate(saved["simulations"])
    ]
    evaluation = [SimulationState(**each, actions=nothing) for each in saved["evaluation"]]
    lost = run.collector.resume(member, states, run.policies[member], saved["wave"])
    run.collector.uncounted[member] = [Episode(*each) for each in saved.get("uncounted", [])]
    if run.eval_rollouts is not None:
        run.eval_rollouts.resume(member, evaluation, run.policies[member])
    run.restore_update_metrics(member, saved["update_metrics"])
    run.rules[member] = CheckpointRule(**{k: _decode(v) for k, v in saved["rule"].items()})
    run.learning[member] = saved["learning"]
    run.debts[member] = saved["debt"]
    run.evaluated[member] = saved["evaluated"]
    run.checkpoint_steps[member] = saved["checkpoint_steps"]
    run.recent_episodes[member] = [Episode(*each) for each in saved["recent_episodes"]]
    return lost


def _encode(value: Any) -> Any:
    """JSON has no infinity: the rule's open bars are written as text."""
    return str(value) if value in (float("inf"), float("-inf")) else value


def _decode(value: Any) -> Any:
    return float(value) if isinstance(value, str) else value
