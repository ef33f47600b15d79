"""Verify a bundle: its checksums, and every graph in every format against eager torch."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from td7.deploy.backends import BFLOAT16, open_files, open_policies
from td7.deploy.bundle import (
    README,
    SCHEMA,
    TOLERANCE,
    VECTORS,
    WEIGHTS,
    check_facts,
    graphs,
    is_read,
)
from td7.deploy.formats import Run
from td7.files.json_checks import naming
from td7.files.manifest import OWN, compare
from td7.files.path_names import checked_path
from td7.files.tensors import read_tensors
from td7.policy.module import PolicyModule, SalePolicy
from td7.policy.saved import read_policy

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are as they were written, and its content.

    `warnings` say which files that no runtime reads are not as they were written.
    """

    folder: Path
    manifest: dict[str, Any]
    policy: PolicyModule
    vectors: dict[str, Tensor]
    warnings: tuple[str, ...] = ()

    def allowed(self, way: str) -> float:
        """Return how far a way's actions may be from eager torch."""
        variant = self.manifest["variants"].get(way)
        return TOLERANCE if variant is None else variant["action_error"]


@dataclass(frozen=True)
class Verified:
    """A file or way of a bundle that agrees with eager torch on the bundle's test vectors."""

    file: str
    vectors: int
    difference: float
    exact: bool = True  # False where the manifest allows more: weights that are rounded


def read_bundle(folder: str | Path, sha256: str | None = None) -> Bundle:
    """Read a bundle once every file that a runtime may read is as it was written.

    `sha256` is what `manifest_sha256` must be, told by somebody whom you trust. Raises ValueError,
    naming the file, for a bundle that is torn, altered, of another schema or contradicts itself.
    """
    # absolute: an environment may change the working folder
    folder = checked_path(folder, "bundle").absolute()
    if not (folder / "manifest.json").is_file():
        raise ValueError(f"{folder} is not a bundle (no manifest.json)")
    manifest, differences = compare(folder, SCHEMA)
    unread: dict[str, str] = {}
    for name, text in differences.items():
        if is_read(name) or (name in manifest["sha256"] and name != README):
            raise ValueError(text)
        unread.setdefault(name.partition("/")[0], f"{text} (no runtime reads it)")
    if sha256 is not None and manifest[OWN] != sha256.lower():
        raise ValueError(f"{folder / 'manifest.json'}: {OWN} must be {sha256}, got {manifest[OWN]}")
    policy = read_policy(_known_file(folder, WEIGHTS))
    vectors = read_tensors(_known_file(folder, VECTORS))
    with naming(folder / "manifest.json"):
        check_facts(manifest, policy)
    with naming(folder / VECTORS):
        _check_vectors(vectors, policy)
    return Bundle(folder, manifest, policy, vectors, tuple(unread.values()))


def verify(folder: str | Path, sha256: str | None = None) -> list[Verified]:
    """Check every file of a bundle and replay its test vectors; see `replay`.

    Warns of a file that is extra or altered and that no runtime reads.
    """
    bundle = read_bundle(folder, sha256)
    for text in bundle.warnings:
        warnings.warn(text, stacklevel=2)
    return replay(bundle)


def replay(bundle: Bundle) -> list[Verified]:
    """Replay a bundle's test vectors through every way to run it.

    A difference of actions is measured in units of half their range, one of embeddings as it is.
    Raises ValueError for outputs that differ from eager torch by more than 1e-5, or than the
    manifest states. A `.pt2` file is not opened: loading one unpickles. Of `policy.h` only the sum
    is checked.
    """
    results = []
    for name, (graph, inputs, output) in graphs(bundle.policy).items():
        arguments = [bundle.vectors[key] for key in inputs]
        with torch.inference_mode():
            wanted = graph(*arguments).numpy()
        for file, run in _ways(bundle, name, output).items():
            most = bundle.allowed(file)
            scale = bundle.policy if output == "actions" else None
            with naming(bundle.folder / file):
                made = _made(run, [each.numpy() for each in arguments])
                difference = _checked_difference(made, wanted, scale, output, most)
            results.append(Verified(file, len(wanted), difference, exact=most == TOLERANCE))
    return results


def largest_difference(made: Float32, wanted: Float32, policy: PolicyModule | None) -> float:
    """Return the largest difference, of a policy's actions in units of half their range.

    Where the bounds lie so far from 0 that one rounding of an action would be more than 1e-5 of
    that, the unit is the one of which it is 1e-5.
    """
    unit = 1.0 if policy is None else _units(policy.low.numpy(), policy.high.numpy())
    with np.errstate(all="ignore"):  # what overflows differs by too much
        return float((np.abs(made - wanted) / unit).max())


def _units(low: Float32, high: Float32) -> Float32:
    rounding = np.spacing(np.maximum(np.abs(low), np.abs(high)))
    units: Float32 = np.maximum((high - low) / 2, rounding * np.float32(1e5))
    return units


def _ways(bundle: Bundle, graph: str, output: str) -> dict[str, Run]:
    ways: dict[str, Run] = {VECTORS: lambda *_: bundle.vectors[output].numpy()}
    if graph != "policy":
        return ways | open_files(bundle.folder, graph)
    ways |= open_policies(bundle.folder, bundle.policy)
    if BFLOAT16 not in bundle.manifest["variants"]:
        ways.pop(BFLOAT16, None)
    return ways


def _known_file(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise ValueError(f"{folder / name} is missing")
    return folder / name


def _check_vectors(vectors: dict[str, Tensor], policy: PolicyModule) -> None:
    sizes = {"obs": policy.obs_size, "actions": policy.action_size}
    if isinstance(policy, SalePolicy):
        sizes |= {"zs": policy.embedding_size, "zsa": policy.embedding_size}
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


def _made(run: Run, arguments: list[Float32]) -> Float32:
    """Run a graph; what it raises is its file's fault."""
    try:
        return np.asarray(run(*arguments))
    except Exception as error:
        raise ValueError(f"it cannot be run: {error}") from error


def _checked_difference(
    made: Float32, wanted: Float32, policy: PolicyModule | None, output: str, most: float
) -> float:
    if made.shape != wanted.shape or made.dtype != np.float32:
        raise ValueError(
            f"{output} must be float32 {list(wanted.shape)}, got {made.dtype} {list(made.shape)}"
        )
    difference = largest_difference(made, wanted, policy)
    if not difference <= most:
        raise ValueError(
            f"{output} differs from eager torch by {difference:.3g}, more than {most:g}"
        )
    return difference
