"""The ways to run a bundle's graphs from Python: functions of numpy arrays.

What each of them needs is imported when it is opened. A `.pt2` file is not opened: loading one
unpickles it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from td7.deploy.graph_files import refuse_external_data
from td7.policy.acting import acts_in_cpp
from td7.policy.module import PolicyModule
from td7.policy.native import NativePolicy

Float32 = NDArray[np.float32]
Run = Callable[..., Float32]

BFLOAT16 = "native-bf16"  # the only way whose weights are rounded


def open_policies(bundle: Path, policy: PolicyModule) -> dict[str, Run]:
    """Open every way to act, obs [n, S] -> actions [n, A]: torch, csrc/policy if it can, files.

    Raises ValueError, naming the file, for one that cannot be opened.
    """
    ways: dict[str, Run] = {"torch": _of_module(policy)}
    if acts_in_cpp(policy.parts):
        ways |= {"native": NativePolicy(policy), BFLOAT16: NativePolicy(policy, "bfloat16")}
    return ways | open_files(bundle, "policy")


def open_files(bundle: Path, graph: str) -> dict[str, Run]:
    """Open those of a graph's files that are there, by name; errors as of open_policies."""
    found = {f"{graph}{ending}": opener for ending, opener in OPENERS.items()}
    return {
        name: _opened(bundle / name, opener)
        for name, opener in found.items()
        if (bundle / name).exists()
    }


def _opened(path: Path, opener: Callable[[Path], Run]) -> Run:
    try:
        return opener(path)
    except ImportError as error:
        raise ValueError(f"{path} needs {error.name}: pip install 'td7[export]'") from error
    except Exception as error:  # whatever a runtime raises of a file that it cannot read
        raise ValueError(f"{path} cannot be run: {error}") from error


def _open_onnx(path: Path) -> Run:
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


def _open_onnx_of_one(path: Path) -> Run:
    """Open a graph that takes one row at a time."""
    run = _open_onnx(path)

    def run_rows(*arguments: Float32) -> Float32:
        rows = [
            run(*(each[row : row + 1] for each in arguments)) for row in range(len(arguments[0]))
        ]
        return np.concatenate(rows)

    return run_rows


def _open_torchscript(path: Path) -> Run:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated in torch, kept for LibTorch controllers
        return _of_module(torch.jit.load(str(path)))


def _of_module(module: Callable[..., torch.Tensor]) -> Run:
    def run(*arguments: Float32) -> Float32:
        with torch.inference_mode():
            out: Float32 = module(*map(torch.from_numpy, arguments)).numpy()
        return out

    return run


OPENERS = {".onnx": _open_onnx, "_batch1.onnx": _open_onnx_of_one, ".pt": _open_torchscript}
