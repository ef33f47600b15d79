"""torch.export's own files. They are never opened here: loading one unpickles."""

from __future__ import annotations

from pathlib import Path

import torch

from td7.deploy.formats.format import Graph, GraphFile


def write_exported(graph: Graph, path: Path) -> None:
    """Write one graph as torch.export does, for any batch."""
    batch = torch.export.Dim("batch")
    shapes = tuple({0: batch} for _ in graph.arguments)
    torch.export.save(
        torch.export.export(graph.module, graph.arguments, dynamic_shapes=shapes), path
    )


FILES = (
    GraphFile(
        ".pt2", "as torch.export writes it, with source paths; loading it unpickles", write_exported
    ),
)
