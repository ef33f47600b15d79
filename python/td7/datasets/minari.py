"""Minari's data sets (https://minari.farama.org): episodes, spaces and the environment's name."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from td7.datasets.block import Block
from td7.datasets.d4rl import UNREADABLE


class MinariDataset:
    """A data set of the local store, downloaded if need be, or in a folder of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        folder = _folder(name)
        try:
            self._data: Any = _opened(folder)
            facts = self._data.storage.metadata
        except (*UNREADABLE, AssertionError, TypeError) as error:
            raise ValueError(f"data set {name}: it cannot be read: {error}") from error
        spec = self._data.env_spec
        self.env = None if spec is None else str(spec.id)
        if self.env is not None and ":" in self.env:  # making it would import that module
            raise ValueError(
                f"data set {name}: its environment {self.env!r} is code of a module: name it "
                "yourself with --env if you trust it"
            )
        registered = gymnasium.registry.get(self.env or "")
        if spec is not None and registered is not None and spec.kwargs != registered.kwargs:
            self.env = None  # td7 makes environments by their names alone
        given = [facts.get(f"ref_{end}_score") for end in ("min", "max")]
        self.scores: tuple[Any, Any] = (None, None)
        if all(isinstance(score, (int, float)) and np.isfinite(score) for score in given):
            self.scores = float(given[0]), float(given[1])

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
        return int(self._data.total_steps)

    def blocks(self) -> Iterator[Block]:
        """Return its episodes in order."""
        first = 0
        for number, episode in enumerate(self._episodes()):
            where = f"episode {number}"
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

    path = Path(name).absolute()
    for folder in (path / "data", path, get_dataset_path(name) / "data"):
        if (folder / "metadata.json").is_file():
            return folder
    if path.exists():
        raise ValueError(f"data set {name}: it is no Minari data set, .hdf5 or .npz file")
    try:
        minari.download_dataset(name)
    except Exception as error:  # of whatever network or server
        raise ValueError(
            f"data set {name}: it is not here and cannot be downloaded ({error}); another machine "
            f"can by `minari download {name}`: {get_dataset_path(name)} is what to copy"
        ) from error
    return get_dataset_path(name) / "data"


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
