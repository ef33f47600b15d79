"""ONNX: self-contained files, with the facts of the bundle as metadata."""

from __future__ import annotations

import dataclasses
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from td7.deploy.formats.format import Float32, Graph, GraphFile, Run
from td7.deploy.formats.onnx_opset import lower, written_opset


def write_onnx(graph: Graph, path: Path, *, any_batch: bool = True) -> None:
    """Write one graph as a single file, for any batch or for that of its example arguments.

    Its facts go into the metadata: texts as they are, lists as values with commas between them (as
    mjlab writes them), anything else as JSON.
    """
    import onnx

    batch = torch.export.Dim("batch")
    # the exporter reports every operator library that is not installed
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.module,
            graph.arguments,
            str(path),
            input_names=list(graph.inputs),
            output_names=[graph.output],
            dynamic_shapes=tuple({0: batch} for _ in graph.inputs) if any_batch else None,
            dynamo=True,
            external_data=False,
            verbose=False,
            opset_version=written_opset(graph.opset),
        )
    model = onnx.load(str(path))
    if graph.opset is not None:
        lower(model, graph.opset)
    _forget_sources(model)
    facts = {name: _as_text(value) for name, value in graph.facts.items()}
    onnx.helper.set_model_props(model, facts)
    path.write_bytes(model.SerializeToString())


def write_onnx_of_one(graph: Graph, path: Path) -> None:
    """Write one graph for a single row."""
    one = tuple(each[:1] for each in graph.arguments)
    write_onnx(dataclasses.replace(graph, arguments=one), path, any_batch=False)


def refuse_external_data(content: bytes) -> None:
    """Raise ValueError for an ONNX graph whose weights lie in other files, wherever these are."""
    import onnx

    if any(
        each.external_data for each in _parts(onnx.load_model_from_string(content), "TensorProto")
    ):
        raise ValueError("its weights lie in another file")


def open_onnx(path: Path) -> Run:
    """Open a graph in onnxruntime, with one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    content = path.read_bytes()
    refuse_external_data(content)
    session: Any = onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )
    names = [each.name for each in session.get_inputs()]

    def run(*arguments: Float32) -> Float32:
        out: Float32 = session.run(None, dict(zip(names, arguments, strict=True)))[0]
        return out

    return run


def open_onnx_of_one(path: Path) -> Run:
    """Open a graph that takes one row at a time."""
    run = open_onnx(path)

    def run_rows(*arguments: Float32) -> Float32:
        rows = [
            run(*(each[row : row + 1] for each in arguments)) for row in range(len(arguments[0]))
        ]
        return np.concatenate(rows)

    return run_rows


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


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(each, (str, int, float)) for each in value):
        return ",".join(str(each) for each in value)
    return json.dumps(value)


FILES = (
    GraphFile(".onnx", "for onnxruntime", write_onnx, open_onnx),
    GraphFile(
        "_batch1.onnx", "for onnxruntime, one row at a time", write_onnx_of_one, open_onnx_of_one
    ),
)
