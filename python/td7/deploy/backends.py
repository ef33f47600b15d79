"""The ways to run a bundle's policy from Python, behind one signature: obs [n, S] -> actions [n, A].

All of them use one thread. What each of them needs is imported when it is opened.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from td7.deploy.native import NativePolicy
from td7.deploy.policy import PolicyModule

Float32 = NDArray[np.float32]
Act = Callable[[Float32], Float32]

FILES = {
    "onnxruntime": "policy.onnx",
    "onnxruntime-batch1": "policy_batch1.onnx",
    "torchscript": "policy.pt",
    "torch-export": "policy.pt2",
}
BATCH1 = "onnxruntime-batch1"  # takes one observation at a time
BFLOAT16 = "native-bf16"  # the only one whose weights are rounded


def open_backends(bundle: Path, policy: PolicyModule) -> dict[str, Act]:
    """Open every way to run the policy: eager torch, csrc/policy, and the graphs that are there.

    Raises ValueError, naming the file, for a graph that cannot be opened.
    """
    ways: dict[str, Act] = {
        "torch-eager": _of_module(policy),
        "native": NativePolicy(policy),
        BFLOAT16: NativePolicy(policy, "bfloat16"),
    }
    for name, file in FILES.items():
        path = bundle / file
        if not path.exists():
            continue
        try:
            ways[name] = OPENERS[name](path)
        except ImportError as error:
            raise ValueError(f"{path} needs {error.name}: pip install 'td7[export]'") from error
        except Exception as error:  # whatever a runtime raises of a file that it cannot read
            raise ValueError(f"{path} cannot be opened: {error}") from error
    return ways


def open_onnx(path: Path) -> Act:
    """Open an ONNX graph with inputs of one name each; the arguments are in their order."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session: Any = onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    names = [each.name for each in session.get_inputs()]

    def run(*arguments: Float32) -> Float32:
        out: Float32 = session.run(None, dict(zip(names, arguments, strict=True)))[0]
        return out

    return run


def open_torchscript(path: Path) -> Act:
    """Open a TorchScript graph, which is a program of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated in torch, kept for LibTorch controllers
        return _of_module(torch.jit.load(str(path)))


def open_exported(path: Path) -> Act:
    """Open a graph of torch.export."""
    return _of_module(torch.export.load(path).module())


OPENERS = {
    "onnxruntime": open_onnx,
    BATCH1: open_onnx,
    "torchscript": open_torchscript,
    "torch-export": open_exported,
}


def _of_module(module: Callable[..., torch.Tensor]) -> Act:
    def run(*arguments: Float32) -> Float32:
        with torch.inference_mode():
            out: Float32 = module(*map(torch.from_numpy, arguments)).numpy()
        return out

    return run
