"""safetensors files, read with suspicion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file as load_tensors
from torch import Tensor

Content = TypeVar("Content")
MOST_BYTES = 2**34  # where the reader does not know better


def read_tensors(path: Path, most_bytes: int = MOST_BYTES) -> dict[str, Tensor]:
    """Return the tensors of a file of at most `most_bytes`.

    Raises ValueError, naming it, if it is larger or is no safetensors file, OSError if it cannot be
    read. What is allocated is no more than the file holds: its library refuses a header whose
    shapes and offsets do not add up to the file's size.
    """
    return _read(path, most_bytes, load_tensors)


def read_arrays(path: Path, most_bytes: int = MOST_BYTES) -> dict[str, NDArray[Any]]:
    """Return a file's content as numpy's arrays; as read_tensors."""
    return _read(path, most_bytes, load_arrays)


def is_finite(array: NDArray[np.float32]) -> bool:
    """Whether no number is NaN or infinite."""
    return bool(np.isfinite(array).all())


def _read(path: Path, most_bytes: int, load: Callable[[Path], Content]) -> Content:
    size = path.stat().st_size
    if not path.is_file():  # a pipe would be waited for
        raise ValueError(f"{path} is no file")
    if size > most_bytes:
        raise ValueError(f"{path} must be of at most {most_bytes} bytes, got {size}")
    try:
        return load(path)
    except OSError:
        raise
    except Exception as error:  # the library raises what its parts do: KeyError, TypeError, ...
        raise ValueError(f"{path} does not parse: {error}") from error
