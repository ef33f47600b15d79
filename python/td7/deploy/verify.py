"""Verify a bundle: its checksums, and every graph in every format against eager torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from td7.deploy.bundle import SCHEMA, graphs, interface
from td7.deploy.policy import FACTS, PolicyModule, read_policy
from td7.json_checks import exactly, naming, record
from td7.manifest import read_manifest
from td7.tensor_file import read_tensors

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
    manifest = read_manifest(bundle, SCHEMA)
    policy = read_policy(_known_file(bundle, "policy.safetensors"))
    vectors = read_tensors(_known_file(bundle, "vectors.safetensors"))
    with naming(bundle / "manifest.json"):
        _check_manifest(manifest, policy)
    with naming(bundle / "vectors.safetensors"):
        _check_vectors(vectors, policy)
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
                made = _made(backend, arguments, bundle / file)
                with naming(bundle / file):
                    difference = _difference(made, wanted, unit, output)
                results.append(Verified(file, len(wanted), difference))
    return results


def _known_file(bundle: Path, name: str) -> Path:
    if not (bundle / name).is_file():
        raise ValueError(f"{bundle / name} is missing")
    return bundle / name


def _check_manifest(manifest: dict[str, Any], policy: PolicyModule) -> None:
    """Want what export writes: nothing that contradicts the policy, no file that is none of it."""
    record(FACTS, optional=True)(manifest, "")
    for name, wanted in interface(policy).items():
        exactly(wanted)(manifest.get(name), name)
    files = {f"{name}.{kind}" for name in graphs(policy) for kind in ("onnx", "pt")}
    files |= {"policy.safetensors", "vectors.safetensors"}
    if odd := sorted(manifest["sha256"].keys() - files):
        raise ValueError(f"{odd[0]:.60} is no file of a bundle")


def _check_vectors(vectors: dict[str, Tensor], policy: PolicyModule) -> None:
    sizes = {
        "obs": policy.obs_size,
        "actions": policy.action_size,
        "zs": policy.embedding_size,
        "zsa": policy.embedding_size,
    }
    if odd := sorted(vectors.keys() ^ sizes.keys()):
        raise ValueError(f"{odd[0]:.60} is {'missing' if odd[0] in sizes else 'unknown'}")
    count = max(len(vectors["obs"]) if vectors["obs"].dim() else 0, 1)
    for name, size in sizes.items():
        tensor = vectors[name]
        if tensor.dtype != torch.float32 or tensor.shape != (count, size):
            raise ValueError(
                f"{name} must be {torch.float32} {[count, size]}, "
                f"got {tensor.dtype} {list(tensor.shape)}"
            )
        if not tensor.isfinite().all():
            raise ValueError(f"{name} must be finite")


def _made(backend: Backend, arguments: dict[str, Tensor], path: Path) -> NDArray[np.float32]:
    """Run a graph; what it raises is its file's fault."""
    try:
        return np.asarray(backend(arguments))
    except Exception as error:
        raise ValueError(f"{path} cannot be run: {error}") from error


def _difference(
    made: NDArray[np.float32],
    wanted: NDArray[np.float32],
    unit: NDArray[np.float32] | float,
    output: str,
) -> float:
    """Return the largest difference in `unit`; raises ValueError for one that is too large."""
    if made.shape != wanted.shape or made.dtype != np.float32:
        raise ValueError(
            f"{output} must be float32 {list(wanted.shape)}, got {made.dtype} {list(made.shape)}"
        )
    with np.errstate(all="ignore"):  # what overflows differs by too much
        difference = float((np.abs(made - wanted) / unit).max())
    if not difference <= TOLERANCE:
        raise ValueError(
            f"{output} differs from eager torch by {difference:.3g}, more than {TOLERANCE:g}"
        )
    return difference


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

    def run(arguments: dict[str, Tensor]) -> NDArray[np.float32]:
        session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        out: NDArray[np.float32] = session.run(
            None, {key: value.numpy() for key, value in arguments.items()}
        )[0]
        return out

    return run


def _torchscript_backend(path: Path) -> Backend | None:
    if not path.exists():
        return None

    def run(arguments: dict[str, Tensor]) -> NDArray[np.float32]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = torch.jit.load(str(path))
        with torch.inference_mode():
            out: NDArray[np.float32] = module(*arguments.values()).numpy()
        return out

    return run
