"""What a format of a graph is: how a file of it is written, opened and described."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Float32 = NDArray[np.float32]
Run = Callable[..., Float32]


@dataclass(frozen=True)
class Graph:
    """A module to be written, with an example of its inputs and the facts of its bundle."""

    module: nn.Module
    arguments: tuple[Tensor, ...]
    inputs: tuple[str, ...]
    output: str
    facts: Mapping[str, Any]
    opset: int | None = None  # ONNX operator set; None for torch's own


@dataclass(frozen=True)
class GraphFile:
    """A kind of file: NAME of the graph, then `ending`."""

    ending: str
    text: str  # what it is for, in the bundle's README
    write: Callable[[Graph, Path], None]
    open: Callable[[Path], Run] | None = None  # None where opening could execute what it holds
    policy_only: bool = False  # whether encoders have no such file


def run_module(module: Callable[..., Tensor]) -> Run:
    """Return a torch module as a function of numpy arrays."""

    def run(*arguments: Float32) -> Float32:
        with torch.inference_mode():
            out: Float32 = module(*map(torch.from_numpy, arguments)).numpy()
        return out

    return run
