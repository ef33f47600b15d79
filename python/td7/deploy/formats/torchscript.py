"""TorchScript, for LibTorch controllers; deprecated in torch and kept here for them."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path

import torch

from td7.deploy.formats.format import Graph, GraphFile, Run, run_module


def write_torchscript(graph: Graph, path: Path) -> None:
    """Write one graph as TorchScript, frozen."""
    with warnings.catch_warnings():
        # TorchScript is deprecated in torch and kept here for LibTorch controllers
        warnings.simplefilter("ignore")
        traced = torch.jit.freeze(torch.jit.trace(graph.module, graph.arguments))
        torch.jit.save(traced, str(path))
    _without_sources(path)


def open_torchscript(path: Path) -> Run:
    """Open a graph in torch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated in torch, kept for LibTorch controllers
        return run_module(torch.jit.load(str(path)))


def _without_sources(path: Path) -> None:
    """Leave out the source positions, which the archive keeps in records of their own."""
    whole = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        for entry in old.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                new.writestr(entry, old.read(entry))


FILES = (GraphFile(".pt", "as TorchScript, for LibTorch", write_torchscript, open_torchscript),)
