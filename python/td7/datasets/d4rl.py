"""Data sets of flat arrays with D4RL's names, in an HDF5 file or in an npz.

`observations` [N, S], `actions` [N, A], `rewards` [N], `terminals` [N] and, where the data have
them, `next_observations` [N, S] and `timeouts` [N] (J. Fu et al., arXiv 2004.07219).
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
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
    no_env = "names no environment"
    spaces: tuple[Box, Box] | None = None
    scores: tuple[None, None] = (None, None)

    def __init__(self, path: Path, arrays: Mapping[str, Any], names: Iterable[str]) -> None:
        """Take the known arrays of a file and the names of all that it holds."""
        self.name, self._arrays = str(path), arrays
        for name in NEEDED:
            if name not in arrays:
                raise ValueError(
                    f"data set {path}: array {name} is missing; it needs {', '.join(NEEDED)} and "
                    f"has {', '.join(sorted(names)) or 'nothing'}"
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
        if not self.transitions:
            raise ValueError(f"data set {path}: of no row it tells what followed")

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
            if self._kept is None:
                next_obs, kept = self._read("next_observations", rows), None
            else:
                kept, next_obs = self._kept[rows], obs.copy()
                following = self._read("observations", slice(rows.start + 1, rows.stop + 1))
                next_obs[: len(following)] = following
                unknown = ~kept | (terminated != 0)
                next_obs[unknown] = obs[unknown]
            yield Block(
                obs,
                self._read("actions", rows),
                self._read("rewards", rows),
                next_obs,
                terminated,
                truncated,
                first,
                kept=kept,
                follows=kept is not None,
                flags=("terminals", "timeouts"),
            )

    def close(self) -> None:
        """Let go of the file and of what was read."""
        self._arrays = {}

    def _known(self) -> NDArray[np.bool_]:
        """Return which rows [N] tell what followed."""
        every = slice(0, self._rows)
        terminated = self._read("terminals", every) != 0
        known = terminated | (self._read("timeouts", every) == 0)
        known[-1] = terminated[-1]
        return known

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
            names = list(file)
            self._file = file
        except UNREADABLE as error:
            raise ValueError(f"data set {path}: it cannot be read: {error}") from error
        for name, array in found.items():
            if not isinstance(array, h5py.Dataset):
                raise ValueError(f"data set {path}: {name} must be an array, got a group")
        super().__init__(path, found, names)

    def close(self) -> None:
        """Close the file."""
        super().close()
        self._file.close()


class NpzDataset(FlatDataset):
    """Arrays that numpy saved; nothing in the file is unpickled."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise ValueError(f"data set {path}: there is no such file")
        if not zipfile.is_zipfile(path):
            raise ValueError(f"data set {path}: it cannot be read: it is no npz file")
        try:
            with np.load(path, allow_pickle=False) as file:
                names = file.files
                arrays = {name: file[name] for name in AXES if name in file}
            for name, array in arrays.items():
                if not isinstance(array, np.ndarray):
                    raise ValueError(f"{name} is no array of numpy's")
        except (*UNREADABLE, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"data set {path}: it cannot be read: {error}") from error
        super().__init__(path, arrays, names)
