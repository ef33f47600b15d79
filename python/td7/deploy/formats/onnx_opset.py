"""The operator set of an ONNX graph: the one that a runtime asks for.

torch writes operator set 18 at least. Of what a policy is made of only ReduceMean changed between
17 and 18: its axes became an input. Older runtimes and onnx2torch read them as an attribute.
"""

from __future__ import annotations

from typing import Any

LEAST, MOST = 17, 23  # written and read by the versions that td7 is tested with
_OF_TORCH = 18  # the least that torch writes


def checked_opset(opset: int | None) -> int | None:
    """Return the operator set; raises ValueError for one that cannot be written."""
    right = opset is None or (type(opset) is int and LEAST <= opset <= MOST)
    if not right:
        raise ValueError(f"opset must be an integer from {LEAST} to {MOST}, got {opset!r}")
    return opset


def written_opset(opset: int | None) -> int | None:
    """Return the operator set to ask torch for, from which `lower` makes the wanted one."""
    return None if opset is None else max(opset, _OF_TORCH)


def lower(model: Any, opset: int) -> None:
    """Make a graph that torch wrote one of operator set `opset`, in place.

    Raises ValueError where the graph has an operator that this set lacks.
    """
    import onnx

    own = [each for each in model.opset_import if each.domain in ("", "ai.onnx")]
    if len(own) != 1 or len(model.opset_import) != 1:
        raise ValueError(f"opset must be of ONNX alone, got {model.opset_import}")
    if own[0].version > opset:
        for node in model.graph.node:
            if node.op_type == "ReduceMean":
                _axes_as_attribute(model.graph, node)
            elif onnx.defs.get_schema(node.op_type, own[0].version).since_version > opset:
                raise ValueError(
                    f"opset must have {node.op_type} as it is written, {opset} has not"
                )
        own[0].version = opset
    if own[0].version != opset:
        raise ValueError(f"opset must be {opset}, torch wrote {own[0].version}")
    model.ir_version = onnx.helper.find_min_ir_version_for(model.opset_import)
    onnx.checker.check_model(model, full_check=True)


def _axes_as_attribute(graph: Any, node: Any) -> None:
    """Turn the axes of a ReduceMean, a constant, into its attribute."""
    import onnx

    if len(node.input) < 2:
        return
    name = node.input[1]
    (axes,) = (each for each in graph.initializer if each.name == name)
    kept = [each for each in node.attribute if each.name == "keepdims"]
    del node.attribute[:]  # the other one, for empty axes, came with the input
    node.attribute.extend(kept)
    node.attribute.append(
        onnx.helper.make_attribute("axes", onnx.numpy_helper.to_array(axes).tolist())
    )
    del node.input[1]
    if not any(name in each.input for each in graph.node):
        graph.initializer.remove(axes)
