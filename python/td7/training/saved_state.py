"""Saving a run's state and restoring it: safetensors, JSON and the replay's own file."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_numpy
from safetensors.numpy import save as save_numpy
from safetensors.torch import load_file, save

from td7.agent.checkpoint import CheckpointRule
from td7.files import sha256_of, sync, write_json
from td7.rollout import Episode, Replay, SimulationState
from td7.training.run_state import RunState

SCHEMA = "td7.state/3"
FILES = ("learner.safetensors", "episodes.safetensors", "counters.json")  # and the replays


def save_state(run: RunState, folder: Path, *, wall_s: float, metrics_bytes: int) -> None:
    """Write the state aside, flush it to the disk and move it into place.

    The state before it stays, as state.old. Raises OSError where it cannot be written; what was
    saved before is then as it was.
    """
    partial, final, old = folder / "state.partial", folder / "state", folder / "state.old"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    # in memory first: what safetensors writes itself fails by errors that are no OSError
    (partial / "learner.safetensors").write_bytes(save(run.learners.tensors()))
    simulations = [run.rollouts.states(member) for member in range(len(run.rules))]
    (partial / "episodes.safetensors").write_bytes(save_numpy(_actions(simulations)))
    for name, replay in _replays(run).items():
        replay.save(partial / name)
    write_json(
        partial / "counters.json",
        _counters(run, simulations) | {"wall_s": wall_s, "metrics_bytes": metrics_bytes},
    )
    sums = {name: sha256_of(partial / name) for name in (*FILES, *_replays(run))}
    write_json(partial / "manifest.json", {"schema": SCHEMA, "sha256": sums})
    for path in (*partial.iterdir(), partial):
        sync(path)
    if final.exists():  # else a kill came between the two renames, and the old one is all there is
        shutil.rmtree(old, ignore_errors=True)
        final.rename(old)
    partial.rename(final)
    sync(folder)


def load_state(run: RunState, folder: Path) -> list[str]:
    """Restore the latest saved state.

    Episodes under way are made again from their actions. Returns what could not be so, in words:
    an environment that does not go the same way twice starts new episodes. Raises ValueError
    naming the file that is not as saved.
    """
    final = folder / "state"
    if not final.exists():  # it was being replaced
        final = folder / "state.old"
    if not (final / "manifest.json").is_file():
        raise ValueError(f"{folder} holds no saved state to resume from")
    _check_manifest(final, (*FILES, *_replays(run)))
    counters = json.loads((final / "counters.json").read_text(encoding="utf-8"))
    try:
        run.learners.load(load_file(final / "learner.safetensors"), counters["updates"])
    except SafetensorError as error:
        raise ValueError(f"{final / 'learner.safetensors'} does not parse: {error}") from error
    for name, replay in _replays(run).items():
        replay.load(final / name)
    run.wall_s, run.metrics_bytes = counters["wall_s"], counters["metrics_bytes"]
    actions = load_numpy(final / "episodes.safetensors")
    lost = []
    for member, saved in enumerate(counters["members"]):
        for sim in _restore_member(run, member, saved, actions):
            seed = run.settings.seeds[member]
            lost.append(
                f"seed {seed}, simulation {sim}: the environment did not go the same way again; "
                "a new episode starts"
            )
    return lost


def has_state(folder: Path) -> bool:
    """Whether the folder holds a saved state."""
    return (folder / "state").exists() or (folder / "state.old").exists()


def _replays(run: RunState) -> dict[str, Replay]:
    """Return the replays by the names of their files."""
    return {f"replay-{number}.bin": replay for number, replay in enumerate(run.replays)}


def _check_manifest(state: Path, files: Sequence[str]) -> None:
    path = state / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        schema, sums = manifest["schema"], dict(manifest["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} does not parse: {error}") from error
    if schema != SCHEMA:
        raise ValueError(
            f"{path}: schema must be {SCHEMA}, got {schema}: resume it with the td7 that saved it, "
            "or start anew; its policies still evaluate and export"
        )
    for name in files:
        if not (state / name).is_file() or sha256_of(state / name) != sums.get(name):
            raise ValueError(f"{state / name} is missing or not as it was saved")


def _actions(simulations: Sequence[Sequence[SimulationState]]) -> dict[str, NDArray[np.float32]]:
    """Name the actions of episodes under way by member and simulation."""
    return {
        f"{member}.{sim}": state.actions
        for member, states in enumerate(simulations)
        for sim, state in enumerate(states)
        if len(state.actions)
    }


def _counters(run: RunState, simulations: Sequence[Sequence[SimulationState]]) -> dict[str, Any]:
    members = [
        {
            "simulations": [_without_actions(state) for state in simulations[member]],
            "evaluation": [_without_actions(state) for state in run.eval_rollouts.states(member)],
            "wave": run.collector.waves[member],
            "update_metrics": run.update_metrics(member),
            "rule": {key: _encode(value) for key, value in dataclasses.asdict(rule).items()},
            "learning": run.learning[member],
            "debt": run.debts[member],
            "evaluated": run.evaluated[member],
            "checkpoint_steps": run.checkpoint_steps[member],
            "recent_episodes": [(e.episode_return, e.length) for e in run.recent_episodes[member]],
        }
        for member, rule in enumerate(run.rules)
    ]
    return {
        "updates": run.learners.updates,
        "members": members,
    }


def _without_actions(state: SimulationState) -> dict[str, Any]:
    return {key: value for key, value in vars(state).items() if key != "actions"}


def _restore_member(
    run: RunState, member: int, saved: dict[str, Any], actions: dict[str, NDArray[np.float32]]
) -> list[int]:
    """Restore what is a member's own; return the simulations whose episodes are lost."""
    for name, wanted in (("simulations", run.rollouts), ("evaluation", run.eval_rollouts)):
        if len(saved[name]) != wanted.steps.shape[1]:
            raise ValueError(
                f"config.json asks for {wanted.steps.shape[1]} environments where the state has "
                f"{len(saved[name])}: num_envs and eval_episodes stay as they were"
            )
    nothing = np.zeros((0, run.rollouts.action_space.shape[0]), np.float32)
    states = [
        SimulationState(**each, actions=actions.get(f"{member}.{sim}", nothing))
        for sim, each in enumerate(saved["simulations"])
    ]
    evaluation = [SimulationState(**each, actions=nothing) for each in saved["evaluation"]]
    lost = run.collector.resume(member, states, run.policies[member], saved["wave"])
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
