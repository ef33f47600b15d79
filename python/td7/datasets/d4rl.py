"""Data sets of flat arrays with D4RL's names, in an HDF5 file or in an npz.

`observations` [N, S], `actions` [N, A], `rewards` [N], `terminals` [N] and, where the data have
them, `next_observations` [N, S] and `timeouts` [N] (J. Fu et al., arXiv 2004.07219).
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from td7.datasets.block import Block

BLOCK = 2**15  # transitions read at once
NEEDED = {"observations": 2, "actions": 2, "rewards": 1, "terminals": 1}  # and their axes
AXES = NEEDED | {"next_observations": 2, "timeouts": 1}
UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, MemoryError)  # what h5py raises


class FlatDataset:
    """Arrays of N rows, whose episodes end at `terminals` and `timeouts`.

    Without `next_observations` the next row is what followed, within an episode. At a time-out
    nothing is known of what followed: that row is left out, as D4RL's own loader does. At a
    termination its value is never used; the row's own observation stands for it.
    """

    env: str | None = None  # D4RL's files name none that is still made
    spaces: tuple[Box, Box] | None = None
    scores: tuple[None, None] = (None, None)

    def __init__(self, path: Path, arrays: Mapping[str, Any]) -> None:
        self.name, self._arrays = str(path), arrays
        for name in NEEDED:
            if name not in arrays:
                raise ValueError(
                    f"data set {path}: array {name} is missing, it has {', '.join(arrays)}"
                )
        if "next_observations" not in arrays and "timeouts" not in arrays:
            raise ValueError(
                f"data set {path}: it needs next_observations or timeouts, or an episode that was "
                "cut and the next one would be taken for one"
            )
        for name, array in arrays.items():
            if array.ndim != AXES[name] or array.dtype.kind not in "fiub":
                raise ValueError(
                    f"data set {path}: {name} must be real numbers with {AXES[name]} axes, "
                    f"got {array.dtype} {list(array.shape)}"
                )
        rows = {name: len(arrays[name]) for name in arrays}
        if len(set(rows.values())) > 1:
            raise ValueError(f"data set {path}: its arrays must be equally long, got {rows}")
        self._rows = rows["rewards"]
        if self._rows == 0:
            raise ValueError(f"data set {path}: it is empty")
        self._kept = None if "next_observations" in arrays else self._known()

    @property
    def transitions(self) -> int:
        """How many transitions it has, those without a known end left out."""
        return self._rows if self._kept is None else int(self._kept.sum())

    def blocks(self) -> Iterator[Block]:
        """Return its transitions in order."""
        for first in range(0, self._rows, BLOCK):
            rows = slice(first, min(first + BLOCK, self._rows))
            obs, terminated = self._read("observations", rows), self._read("terminals", rows)
            if "timeouts" in self._arrays:
                truncated = self._read("timeouts", rows)
            else:
                truncated = np.zeros(len(obs), bool)
            action, reward = self._read("actions", rows), self._read("rewards", rows)
            if self._kept is None:
                next_obs = self._read("next_observations", rows)
                yield Block(obs, action, reward, next_obs, terminated, truncated, first)
                continue
            next_obs = obs.copy()
            following = self._read("observations", slice(rows.start + 1, rows.stop + 1))
            next_obs[: len(following)] = following
            ended = terminated.astype(bool)
            next_obs[ended] = obs[ended]
            yield from self._known_blocks(
                Block(obs, action, reward, next_obs, terminated, truncated, first)
            )

    def _known(self) -> NDArray[np.bool_]:
        """Return which rows [N] tell what followed."""
        every = slice(0, self._rows)
        terminated = self._read("terminals", every).astype(bool)
        known = terminated | ~self._read("timeouts", every).astype(bool)
        known[-1] = terminated[-1]
        return known

    def _known_blocks(self, block: Block) -> Iterator[Block]:
        """Leave out rows whose end is not known; what follows one keeps its number."""
        assert self._kept is not None
        kept = self._kept[block.first : block.first + len(block)]
        edges = np.flatnonzero(np.diff(kept.astype(np.int8), prepend=0, append=0))
        for start, stop in edges.reshape(-1, 2).tolist():
            rows = slice(start, stop)
            yield Block(
                block.obs[rows],
                block.action[rows],
                block.reward[rows],
                block.next_obs[rows],
                block.terminated[rows],
                block.truncated[rows],
                block.first + start,
            )

    def _read(self, name: str, rows: slice) -> NDArray[Any]:
        try:
            return np.asarray(self._arrays[name][rows])
        except UNREADABLE as error:
            raise ValueError(f"data set {self.name}: {name} cannot be read: {error}") from error


class HDF5Dataset(FlatDataset):
    """D4RL's own files, read block by block."""

    def __init__(self, path: Path) -> None:
        try:
            import h5py
        except ImportError as error:
            raise ValueError("HDF5 needs h5py: pip install 'td7[offline]'") from error

        if not path.is_file():
            raise ValueError(f"data set {path}: there is no such file")
        try:
            file = h5py.File(path, "r")
            found = {name: file[name] for name in AXES if name in file}
        except UNREADABLE as error:
            raise ValueError(f"data set {path}: it cannot be read: {error}") from error
        for name, array in found.items():
            if not isinstance(array, h5py.Dataset):
                raise ValueError(f"data set {path}: {name} must be an array, got a group")
        super().__init__(path, found)


class NpzDataset(FlatDataset):
    """Arrays that numpy saved; nothing in the file is unpickled."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise ValueError(f"data set {path}: there is no such file")
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in AXES if name in file}
        except (*UNREADABLE, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"data set {path}: it cannot be read: {error}") from error
        super().__init__(path, arrays)
