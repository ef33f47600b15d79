"""Saving a run's state and restoring it: safetensors, JSON and the replay's own file."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from td7.agent.checkpoint import CheckpointRule
from td7.files import sha256_of, sync, write_json
from td7.rollout import Episode
from td7.training.run_state import RunState

SCHEMA = "td7.state/2"
FILES = ("learner.safetensors", "counters.json")  # and the replays


def save_state(run: RunState, folder: Path) -> None:
    """Write the state aside, flush it to the disk and move it into place; cuts open episodes."""
    run.collector.cut()
    partial, final, old = folder / "state.partial", folder / "state", folder / "state.old"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file(run.learners.tensors(), partial / "learner.safetensors")
    for name, replay in run.replays().items():
        replay.save(partial / name)
    write_json(partial / "counters.json", _counters(run))
    sums = {name: sha256_of(partial / name) for name in (*FILES, *run.replays())}
    write_json(partial / "manifest.json", {"schema": SCHEMA, "sha256": sums})
    for path in (*partial.iterdir(), partial):
        sync(path)
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    partial.rename(final)
    sync(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_state(run: RunState, folder: Path) -> None:
    """Restore a saved state.

    The environments start new episodes: what a stop cut stays in the replay as if truncated there,
    and is not assessed. Raises ValueError naming the file that is not as saved.
    """
    final = folder / "state"
    if not final.exists():
        final = folder / "state.old"
    if not (final / "manifest.json").is_file():
        raise ValueError(f"{folder} holds no saved state to resume from")
    _check_manifest(final, (*FILES, *run.replays()))
    counters = json.loads((final / "counters.json").read_text(encoding="utf-8"))
    try:
        run.learners.load(load_file(final / "learner.safetensors"), counters["updates"])
    except SafetensorError as error:
        raise ValueError(f"{final / 'learner.safetensors'} does not parse: {error}") from error
    for name, replay in run.replays().items():
        replay.load(final / name)
    run.wall_s, run.metrics_bytes = counters["wall_s"], counters["metrics_bytes"]
    for member, saved in enumerate(counters["members"]):
        _restore_member(run, member, saved)


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


def _counters(run: RunState) -> dict[str, Any]:
    members = [
        {
            "steps": run.rollouts.steps[member].tolist(),
            "rule": {key: _encode(value) for key, value in dataclasses.asdict(rule).items()},
            "learning": run.learning[member],
            "debt": run.debts[member],
            "evaluated": run.evaluated[member],
            "checkpoint_steps": run.checkpoint_steps[member],
            "recent_episodes": [(e.episode_return, e.length) for e in run.recent_episodes[member]],
            "generators": run.rollouts.generators(member),
            "eval_steps": run.eval_rollouts.steps[member].tolist(),
            "eval_generators": run.eval_rollouts.generators(member),
        }
        for member, rule in enumerate(run.rules)
    ]
    return {
        "updates": run.learners.updates,
        "wall_s": run.wall_s,
        "metrics_bytes": run.metrics_bytes,
        "members": members,
    }


def _restore_member(run: RunState, member: int, saved: dict[str, Any]) -> None:
    for name, wanted in (("steps", run.rollouts), ("eval_steps", run.eval_rollouts)):
        if len(saved[name]) != wanted.steps.shape[1]:
            raise ValueError(
                f"config.json asks for {wanted.steps.shape[1]} environments where the state has "
                f"{len(saved[name])}: num_envs and eval_episodes stay as they were"
            )
    run.rollouts.resume(member, saved["steps"], saved["generators"])
    run.eval_rollouts.resume(member, saved["eval_steps"], saved["eval_generators"])
    run.rules[member] = CheckpointRule(**{k: _decode(v) for k, v in saved["rule"].items()})
    run.learning[member] = saved["learning"]
    run.debts[member] = saved["debt"]
    run.evaluated[member] = saved["evaluated"]
    run.checkpoint_steps[member] = saved["checkpoint_steps"]
    run.recent_episodes[member] = [Episode(*each) for each in saved["recent_episodes"]]


def _encode(value: Any) -> Any:
    """JSON has no infinity: the rule's open bars are written as text."""
    return str(value) if value in (float("inf"), float("-inf")) else value


def _decode(value: Any) -> Any:
    return float(value) if isinstance(value, str) else value
