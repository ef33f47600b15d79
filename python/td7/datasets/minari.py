"""Minari's data sets (https://minari.farama.org): episodes, spaces and the environment's name."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box

from td7.datasets.block import Block
from td7.datasets.d4rl import UNREADABLE
from td7.files.json_checks import number


class MinariDataset:
    """A data set of the local store, downloaded if need be, or in a folder of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        folder = _folder(name)
        try:
            self._data: Any = _opened(folder)
            facts = self._data.storage.metadata
        except (*UNREADABLE, AssertionError, TypeError, ImportError) as error:
            raise ValueError(f"data set {name}: it cannot be read: {error}") from error
        self.env, self.no_env = _env_of(self._data.env_spec)
        self.scores = _scores_of(facts)
        if not isinstance(facts.get("total_steps"), int):
            raise ValueError(f"data set {name}: its metadata must tell total_steps, an integer")

    @property
    def spaces(self) -> tuple[Box, Box] | None:
        """Of observations and actions; ValueError where they are no vectors."""
        found = self._data.observation_space, self._data.action_space
        for space, what in zip(found, ("observations", "actions"), strict=True):
            if not isinstance(space, Box) or len(space.shape) != 1:
                raise ValueError(f"data set {self.name}: {what} must be 1-D Box, got {space}")
        return found

    @property
    def transitions(self) -> int:
        """How many transitions it has."""
        return self._data.total_steps

    def blocks(self) -> Iterator[Block]:
        """Return its episodes in order."""
        first = 0
        for place, episode in enumerate(self._episodes()):
            where = f"episode {place}"
            reward, obs = np.asarray(episode.rewards), np.asarray(episode.observations)
            if reward.ndim != 1 or len(reward) == 0:
                raise ValueError(
                    f"data set {self.name}: {where} must have rewards [T] of at least one step, "
                    f"got {list(reward.shape)}"
                )
            if obs.ndim == 0 or len(obs) != len(reward) + 1:
                raise ValueError(
                    f"data set {self.name}: {where} must have observations "
                    f"[{len(reward) + 1}, S], one more than rewards, got {list(obs.shape)}"
                )
            action, terminated = np.asarray(episode.actions), np.asarray(episode.terminations)
            truncated = np.array(episode.truncations)
            truncated[-1:] = True  # nothing follows it in the file
            yield Block(obs[:-1], action, reward, obs[1:], terminated, truncated, first, where)
            first += len(reward)
        if first != self.transitions:
            raise ValueError(
                f"data set {self.name}: its metadata tells of {self.transitions} transitions, its "
                f"episodes have {first}"
            )

    def close(self) -> None:
        """Nothing is open: Minari opens the file for each reading."""

    def _episodes(self) -> Iterator[Any]:
        try:
            yield from self._data.iterate_episodes()
        except (*UNREADABLE, AssertionError, TypeError) as error:
            raise ValueError(f"data set {self.name}: an episode cannot be read: {error}") from error


def _folder(name: str) -> Path:
    """Return the folder of a data set's files; it is downloaded where it is an id without one."""
    try:
        import minari
        from minari.storage import get_dataset_path
    except ImportError as error:
        raise ValueError("Minari's data sets need it: pip install 'td7[offline]'") from error

    path, stored = Path(name).absolute(), get_dataset_path(name).absolute() / "data"
    for folder in (path / "data", path, stored):
        if (folder / "metadata.json").is_file():
            return folder
    if path.exists():
        raise ValueError(f"data set {name}: it is no Minari data set, .hdf5 or .npz file")
    if not re.search(r"-v\d+$", name):
        raise ValueError(f"data set {name}: there is no such folder, and ids of Minari end in -v0")
    try:
        minari.download_dataset(name)
    except Exception as error:  # of whatever network or server
        raise ValueError(
            f"data set {name}: there is no such folder, nor can it be downloaded ({error}); where "
            f"it can, `minari download {name}` makes the folder to copy, {get_dataset_path(name)}"
        ) from error
    return stored


def _opened(folder: Path) -> Any:
    from minari import MinariDataset as Stored
    from minari.dataset.minari_storage import MinariStorage

    facts = MinariStorage.read_raw_metadata(folder)
    for space in ("observation_space", "action_space"):
        if space not in facts:  # Minari would make the environment, whose code is not ours to run
            raise ValueError(f"metadata.json must tell the {space}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return Stored(folder)


def _env_of(spec: EnvSpec | None) -> tuple[str | None, str]:
    """Return the environment's id if that alone makes it, else why not."""
    if spec is None:
        return None, "names no environment"
    if ":" in spec.id:
        return None, f"names the environment {spec.id!r}, code of a module"
    known = gymnasium.registry.get(spec.id)
    for field in ("kwargs", "max_episode_steps", "additional_wrappers"):
        mine = getattr(spec, field)
        if known is not None and mine != getattr(known, field):
            return None, f"names the environment {spec.id} with {field} {mine} of its own"
    return spec.id, ""


def _scores_of(facts: Mapping[str, Any]) -> tuple[float, float] | tuple[None, None]:
    """Return the scores of random and expert; none unless they are two numbers in order."""
    low, high = facts.get("ref_min_score"), facts.get("ref_max_score")
    try:
        number(-1e300, 1e300)(low, "")
        number(-1e300, 1e300)(high, "")
    except ValueError:
        return None, None
    assert low is not None and high is not None
    return (float(low), float(high)) if low < high else (None, None)
