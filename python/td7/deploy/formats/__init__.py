"""The formats of a bundle's graphs, a file each, and the one table of them.

Export writes what is chosen of the table, verify opens what is there, and the bundle's README says
what each file is.
"""

from td7.deploy.formats import cpp_source, onnx, torch_export, torchscript
from td7.deploy.formats.format import Float32, Graph, GraphFile, Run, run_module

FORMATS: dict[str, tuple[GraphFile, ...]] = {
    "onnx": onnx.FILES,
    "torchscript": torchscript.FILES,
    "torch-export": torch_export.FILES,
    "cpp": cpp_source.FILES,
}
GRAPH_FILES = [file for files in FORMATS.values() for file in files]

__all__ = ["FORMATS", "GRAPH_FILES", "Float32", "Graph", "GraphFile", "Run", "run_module"]
