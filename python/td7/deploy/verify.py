"""Verify a bundle: its checksums, and every graph in every format against eager torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from td7.deploy.bundle import SCHEMA, graphs
from td7.deploy.policy import policy_module
from td7.manifest import read_manifest

TOLERANCE = 1e-5

Backend = Callable[[dict[str, Tensor]], NDArray[np.float32]]


@dataclass(frozen=True)
class Verified:
    """One file of a bundle that agrees with eager torch on the bundle's test vectors."""

    file: str
    vectors: int
    difference: float


def verify(bundle: str | Path) -> list[Verified]:
    """Check every file of a bundle and replay its test vectors.

    A difference of actions is measured in units of half their range, one of embeddings as it is.
    Raises ValueError, naming the file, for a bundle that is torn, altered, of another schema, or
    whose outputs differ from eager torch by more than 1e-5.
    """
    bundle = Path(bundle)
    if not (bundle / "manifest.json").is_file():
        raise ValueError(f"{bundle} is not a bundle (no manifest.json)")
    read_manifest(bundle, SCHEMA)
    try:
        vectors = load_file(bundle / "vectors.safetensors")
        weights = load_file(bundle / "policy.safetensors")
        if missing := {"obs", "actions", "zs", "zsa"} - vectors.keys():
            raise ValueError(f"vectors.safetensors lacks {', '.join(sorted(missing))}")
        policy = policy_module(weights)
    except (OSError, ValueError, SafetensorError) as error:
        raise ValueError(f"{bundle}: {error}") from error
    results = []
    for name, (graph, inputs, output) in graphs(policy).items():
        unit = ((policy.high - policy.low) / 2).numpy() if output == "actions" else 1.0
        arguments = {key: vectors[key] for key in inputs}
        with torch.inference_mode():
            wanted = graph(*arguments.values()).numpy()
        backends = {
            "vectors.safetensors": lambda _, key=output: vectors[key].numpy(),
            f"{name}.onnx": _onnx_backend(bundle / f"{name}.onnx"),
            f"{name}.pt": _torchscript_backend(bundle / f"{name}.pt"),
        }
        for file, backend in backends.items():
            if backend is not None:
                difference = float((np.abs(backend(arguments) - wanted) / unit).max())
                if not difference <= TOLERANCE:
                    raise ValueError(
                        f"{bundle / file}: {output} differs from eager torch by {difference:.3g}, "
                        f"more than {TOLERANCE:g}"
                    )
                results.append(Verified(file, len(wanted), difference))
    return results


def _onnx_backend(path: Path) -> Backend | None:
    if not path.exists():
        return None
    try:
        import onnxruntime
    except ImportError as error:
        raise ValueError(
            f"verifying {path} needs onnxruntime: pip install 'td7[export]'"
        ) from error

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )

    def run(arguments: dict[str, Tensor]) -> NDArray[np.float32]:
        out: NDArray[np.float32] = session.run(
            None, {key: value.numpy() for key, value in arguments.items()}
        )[0]
        return out

    return run


def _torchscript_backend(path: Path) -> Backend | None:
    if not path.exists():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.jit.load(str(path))

    def run(arguments: dict[str, Tensor]) -> NDArray[np.float32]:
        with torch.inference_mode():
            out: NDArray[np.float32] = module(*arguments.values()).numpy()
        return out

    return run
