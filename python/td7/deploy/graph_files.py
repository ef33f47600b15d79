"""Graphs as files: self-contained ONNX with its facts as metadata, TorchScript, torch.export."""

from __future__ import annotations

import io
import json
import logging
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from td7.deploy.onnx_opset import lower, written_opset

Arguments = tuple[Tensor, ...]


def write_onnx(
    graph: nn.Module,
    arguments: Arguments,
    inputs: Sequence[str],
    output: str,
    path: Path,
    *,
    any_batch: bool,
    facts: Mapping[str, Any],
    opset: int | None = None,
) -> None:
    """Write one graph as a single file, for any batch or for that of the example arguments.

    `facts` go into its metadata: texts as they are, lists as values with commas between them (as
    mjlab writes them), anything else as JSON. `opset` is the ONNX operator set, by default torch's.
    """
    import onnx

    batch = torch.export.Dim("batch")
    # the exporter reports every operator library that is not installed
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            arguments,
            str(path),
            input_names=list(inputs),
            output_names=[output],
            dynamic_shapes=tuple({0: batch} for _ in inputs) if any_batch else None,
            dynamo=True,
            external_data=False,
            verbose=False,
            opset_version=written_opset(opset),
        )
    model = onnx.load(str(path))
    if opset is not None:
        lower(model, opset)
    _forget_sources(model)
    onnx.helper.set_model_props(model, {name: _as_text(value) for name, value in facts.items()})
    path.write_bytes(model.SerializeToString())


def refuse_external_data(content: bytes) -> None:
    """Raise ValueError for an ONNX graph whose weights lie in other files, wherever these are."""
    import onnx

    if any(
        each.external_data for each in _parts(onnx.load_model_from_string(content), "TensorProto")
    ):
        raise ValueError("its weights lie in another file")


def write_torchscript(graph: nn.Module, arguments: Arguments, path: Path) -> None:
    """Write one graph as TorchScript, frozen."""
    with warnings.catch_warnings():
        # TorchScript is deprecated in torch and kept here for LibTorch controllers
        warnings.simplefilter("ignore")
        traced = torch.jit.freeze(torch.jit.trace(graph, arguments))
        torch.jit.save(traced, str(path))
    _without_sources(path)


def write_exported(graph: nn.Module, arguments: Arguments, path: Path) -> None:
    """Write one graph as torch.export does, for any batch."""
    batch = torch.export.Dim("batch")
    shapes = tuple({0: batch} for _ in arguments)
    torch.export.save(torch.export.export(graph, arguments, dynamic_shapes=shapes), path)


def _parts(message: Any, kind: str) -> Iterator[Any]:
    """Yield every message of a kind within a protobuf message, itself included."""
    if type(message).__name__ == kind:
        yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in [value] if hasattr(value, "ListFields") else value:
                yield from _parts(each, kind)


def _forget_sources(model: Any) -> None:
    """Leave out where in whose files each operation was written."""
    for node in _parts(model, "NodeProto"):
        del node.metadata_props[:]
        node.doc_string = ""


def _without_sources(path: Path) -> None:
    """The same for TorchScript, whose archive keeps it in records of their own."""
    whole = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        for entry in old.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                new.writestr(entry, old.read(entry))


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(each, (str, int, float)) for each in value):
        return ",".join(str(each) for each in value)
    return json.dumps(value)
