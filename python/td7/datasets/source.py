"""Where a data set comes from: which of the formats a name means, and what each of them offers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from gymnasium.spaces import Box

from td7.datasets.block import Block
from td7.files.path_names import checked_path


class Dataset(Protocol):
    """A data set that is open for reading; nothing in it has been checked yet."""

    @property
    def name(self) -> str:
        """As it was asked for."""

    @property
    def env(self) -> str | None:
        """Gymnasium id of the environment that it names, None where it names none."""

    @property
    def no_env(self) -> str:
        """Why `env` is None, in words."""

    @property
    def spaces(self) -> tuple[Box, Box] | None:
        """Of observations and actions, where it tells them."""

    @property
    def scores(self) -> tuple[float, float] | tuple[None, None]:
        """Its own reference scores of random and expert."""

    @property
    def transitions(self) -> int:
        """How many transitions it has."""

    def blocks(self) -> Iterator[Block]:
        """Return its transitions in order; ValueError where the file is not of the format."""

    def close(self) -> None:
        """Let go of files and memory: nothing is read any more."""


def open_dataset(name: str | Path) -> Dataset:
    """Open a Minari data set by id (downloaded if need be) or folder, a D4RL HDF5 file, or an npz.

    Raises ValueError, naming it, where it cannot be read.
    """
    path = checked_path(name, "dataset")
    suffix = path.suffix.lower()
    if suffix in (".hdf5", ".h5"):
        from td7.datasets.d4rl import HDF5Dataset

        return HDF5Dataset(path)
    if suffix == ".npz":
        from td7.datasets.d4rl import NpzDataset

        return NpzDataset(path)
    from td7.datasets.minari import MinariDataset

    return MinariDataset(str(name))
