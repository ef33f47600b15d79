"""Saving a run's state and restoring it: safetensors, JSON and the replay's own files.

    state/      manifest.json, counters.json, learner.safetensors, episodes.safetensors,
                replay-N.bin and its rows, replay-N.bin.rows/,
                policy/seed-N/, the policies that are evaluated and exported
    state.old/  the state saved before it
    policy/     a link to each of the state's policies, seed-N

Each save is a new folder. The policies are part of it, so that no kill leaves them apart. Rows that
have not changed since the state before are linked from there, so that a save takes the time of what
has.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from safetensors.numpy import save as save_numpy
from safetensors.torch import save

from td7.files.json_checks import integer, items, mapping, naming, text
from td7.files.manifest import check_files, read_manifest, write_manifest
from td7.files.tensors import read_arrays, read_tensors
from td7.files.whole import SchemaError, read_json, sync, write_file, write_json
from td7.rollout import Replay
from td7.rollout.native import NativeRollouts
from td7.run.counter_checks import (
    MOST_STEPS,
    check_actions,
    check_counters,
    most_action_bytes,
)
from td7.run.counters import counters, episode_actions, restore_member
from td7.run.folder import FIRST_STATE, policy_folder
from td7.run.state import RunState
from td7.updates.learners import Learners

Content = TypeVar("Content")
SCHEMA = "td7.state/4"
SUMS = mapping(".*", text("[0-9a-f]{64}", "a SHA-256"), 10**6)
ADVICE = (
    ": resume it with the td7 that saved it, or start anew; its policies still evaluate and export"
)


def save_state(run: RunState, folder: Path, *, wall_s: float, metrics_bytes: int) -> None:
    """Write the state aside, flush it to the disk and move it into place.

    The state before it stays, as state.old. Raises OSError where it cannot be written; what was
    saved before is then as it was.
    """
    partial, final, old = folder / "state.partial", folder / "state", folder / "state.old"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _write_state(run, partial, latest(folder), wall_s, metrics_bytes)
    except OSError:  # on a full disk it may have all the room that was left
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if final.exists():  # else a kill came between the two renames, and the old one is all there is
        shutil.rmtree(old, ignore_errors=True)
        final.rename(old)
    partial.rename(final)
    sync(folder)


def _write_state(
    run: RunState, partial: Path, before: Path | None, wall_s: float, metrics_bytes: int
) -> None:
    partial.mkdir(parents=True)
    # in memory first: what safetensors writes itself fails by errors that are no OSError
    write_file(partial / "learner.safetensors", save(run.learners.tensors()))
    simulations = [run.rollouts.states(member) for member in range(len(run.members))]
    write_file(partial / "episodes.safetensors", save_numpy(episode_actions(simulations)))
    for name, replay in _replays(run).items():
        replay.save(partial / name, in_pieces=True, earlier=before / name if before else None)
    write_json(
        partial / "counters.json",
        counters(run, simulations)
        | {"schema": SCHEMA, "wall_s": wall_s, "metrics_bytes": metrics_bytes},
    )
    for member, seed in enumerate(run.settings.seeds):
        where = policy_folder(partial, seed)
        run.policy(member, run.collector.env_steps[member]).save(where)
        sync(where)
    sync(partial / "policy")
    write_manifest(partial, SCHEMA, known=_sums_of_rows(before))
    sync(partial)


def load_state(run: RunState, folder: Path) -> list[str]:
    """Restore the latest saved state, or the one before it where that is torn.

    Episodes under way are made again from their actions. Returns in words what is not as it was
    saved: a torn state, or an environment that does not go the same way twice and so starts new
    episodes. Raises ValueError naming the file that is not as saved.
    """
    state, notes = _sound_state(folder)
    saved = read_json(state / "counters.json", SCHEMA)
    with naming(state / "counters.json"):
        check_counters(saved, run.settings, native=isinstance(run.rollouts, NativeRollouts))
    members, action_size = saved["members"], run.rollouts.action_space.shape[0]
    path = state / "episodes.safetensors"
    actions = read_arrays(path, most_action_bytes(members, action_size))
    with naming(path):
        check_actions(actions, members, action_size)
    _load_learners(state, run.learners, saved)
    for name, replay in _replays(run).items():
        replay.load(state / name)
    with naming(state / "counters.json"):
        for member, (replay, place) in enumerate(run.collector.replays):
            owes = run.settings.offline or members[member]["debt"]
            if owes and not replay.size(place):
                raise ValueError(f"members[{member}].debt must be 0 where the replay is empty")
    run.wall_s, run.metrics_bytes = saved["wall_s"], saved["metrics_bytes"]
    run.failures = saved.get("failures", 0)
    for member, mine in enumerate(members):
        with naming(state / "counters.json"):
            lost = restore_member(run, member, mine, actions)
        for sim in lost:
            seed = run.settings.seeds[member]
            notes.append(
                f"seed {seed}, simulation {sim}: the environment did not go the same way again; "
                "a new episode starts"
            )
    return notes


def save_first_state(run: RunState, folder: Path) -> None:
    """Save a state aside, in a folder that may hold another run yet."""
    first = folder / FIRST_STATE
    shutil.rmtree(first, ignore_errors=True)
    try:
        save_state(run, first, wall_s=0.0, metrics_bytes=0)
    except OSError:
        shutil.rmtree(first, ignore_errors=True)
        raise


def put_first_state(folder: Path) -> None:
    """Make the state that was saved aside that of the run."""
    (folder / FIRST_STATE / "state").rename(folder / "state")
    (folder / FIRST_STATE).rmdir()
    sync(folder)


def read_from(folder: Path, run: RunState, *, with_replays: bool) -> list[str]:
    """Restore the learners, and the replays if asked, of another run's state; it stays as it is.

    Episodes that were open in a replay are closed. Returns what is to be told; raises ValueError
    naming the file that is not as saved or does not fit.
    """
    state, _ = read_learner(folder, run.learners)
    if with_replays:
        manifest = read_json(state / "manifest.json", SCHEMA)
        _read_replays(state, run)
        if read_json(state / "manifest.json", SCHEMA) != manifest:
            raise ValueError(f"{folder} was saved while it was read: try again")
    return [] if state == latest(folder) else [f"{folder}: its last state is torn, {state} is used"]


def _read_replays(state: Path, run: RunState) -> None:
    saved = {path.name for path in state.glob("replay-*.bin")}
    if saved != _replays(run).keys():
        raise ValueError(
            f"{state} has {len(saved)} replays, this run would have {len(run.replays)}: on a "
            "device seeds are grouped otherwise, replay='host' in both keeps all in one"
        )
    for name, replay in _replays(run).items():
        replay.load(state / name)
    for replay, place in run.collector.replays:
        for stream in range(run.collector.num_envs):
            replay.end_episode(member=place, stream=stream)


def read_learner(folder: Path, learners: Learners) -> tuple[Path, dict[str, Any]]:
    """Restore the learners from a run's latest sound state; return its folder and its counters.

    Raises ValueError naming the file that is not as saved.
    """

    def read(state: Path) -> tuple[Path, dict[str, Any]]:
        saved = read_json(state / "counters.json", SCHEMA)
        _load_learners(state, learners, saved)
        return state, saved

    return read_sound(folder, ("counters.json", "learner.safetensors"), read)


def read_sound(folder: Path, names: Sequence[str], read: Callable[[Path], Content]) -> Content:
    """Return what `read` returns of the latest state in which files of these names are sound.

    Raises ValueError naming the file that is not as saved.
    """
    if latest(folder) is None:
        raise ValueError(f"{folder} holds no saved state")
    errors = []
    for _ in range(10):  # a run that trains replaces its state now and then
        for state in (folder / "state", folder / "state.old"):
            try:
                manifest = read_json(state / "manifest.json", SCHEMA, ADVICE)
                with naming(state / "manifest.json"):
                    SUMS(manifest.get("sha256"), "sha256")
                check_files(state, manifest["sha256"], names)
                content = read(state)
                if read_json(state / "manifest.json", SCHEMA) == manifest:
                    return content
                break  # it was replaced just now: once more
            except SchemaError:
                raise  # a whole state, of another td7
            except (OSError, ValueError) as error:
                errors.append(error)
    raise errors[0] if errors else ValueError(f"{folder} was saved too often to be read")


def latest(folder: Path) -> Path | None:
    """Return the folder of the latest state, None where there is none."""
    final, old = folder / "state", folder / "state.old"
    # the first is missing where a kill came between two renames
    return final if final.exists() else old if old.exists() else None


def _load_learners(state: Path, learners: Learners, saved: dict[str, Any]) -> None:
    path, members = state / "learner.safetensors", len(learners.updates)
    with naming(state / "counters.json"):
        items(integer(0, MOST_STEPS), members, members)(saved.get("updates"), "updates")
    tensors = read_tensors(path, learners.nbytes() + 2**20)
    with naming(path):
        learners.load(tensors, saved["updates"])


def _sound_state(folder: Path) -> tuple[Path, list[str]]:
    """Return the latest state whose files are as they were saved, and what is to be told of it.

    A torn one is moved aside, so that no save takes it for the state before.
    """
    final, old = folder / "state", folder / "state.old"
    state = latest(folder)
    if state is None:
        raise ValueError(f"{folder} holds no saved state to resume from")
    try:
        read_manifest(state, SCHEMA, ADVICE)
    except SchemaError:
        raise  # a whole state, of another td7
    except (ValueError, OSError) as error:
        if state == old or not old.exists():
            raise
        try:
            read_manifest(old, SCHEMA, ADVICE)
        except (ValueError, OSError):
            raise error from None
        torn = folder / "state.torn"
        shutil.rmtree(torn, ignore_errors=True)
        final.rename(torn)
        return old, [f"{error}; the run goes on from the state before it, {torn} can be deleted"]
    return state, [f"{final} is missing: the run goes on from {old}"] if state == old else []


def _sums_of_rows(before: Path | None) -> dict[str, str]:
    """Return the SHA-256 of the rows in the state before by name, which tells their content."""
    if before is None:
        return {}
    try:
        sums = read_json(before / "manifest.json", SCHEMA)["sha256"]
        return {name: sum_ for name, sum_ in sums.items() if ".rows/" in name}
    except (ValueError, KeyError, AttributeError):
        return {}


def _replays(run: RunState) -> dict[str, Replay]:
    """Return the replays by the names of their files."""
    return {f"replay-{number}.bin": replay for number, replay in enumerate(run.replays)}
