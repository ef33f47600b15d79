"""Trained policies for use from numpy, and their files."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors.torch import save

from td7.files.json_checks import either, exactly, integer, naming, number, record, text
from td7.files.tensors import read_tensors
from td7.files.whole import read_json, sha256_of, write_file, write_json
from td7.policy.module import PolicyModule, policy_module

SCHEMA = "td7.policy/1"

# What a run tells of its policies; who saves one may tell more, or nothing.
FACTS = {
    "env": text(r"(?s).{1,4096}", "the name of an environment"),
    "seed": integer(0, 2**64 - 1),
    "policy": exactly("checkpoint", "current"),
    "env_steps": integer(0, 2**63 - 1),
    "updates": integer(0, 2**63 - 1),
    "checkpoint_score": either(exactly(None), number(-1e300, 1e300)),
}


class Policy:
    """A trained policy for use from numpy: `policy(obs) -> action`.

    `metadata` says which policy it is (checkpoint or current), of which environment and when.
    """

    def __init__(self, module: PolicyModule, metadata: Mapping[str, Any] | None = None) -> None:
        self.module = module
        self.metadata = dict(metadata or {})

    @property
    def obs_size(self) -> int:
        """Observation size S."""
        return self.module.obs_size

    @property
    def action_size(self) -> int:
        """Action size A."""
        return self.module.action_size

    def __call__(self, obs: ArrayLike) -> NDArray[np.float32]:
        """Map obs [S] or [B, S] to actions [A] or [B, A] in the environment's units."""
        array = np.ascontiguousarray(obs, dtype=np.float32)
        if array.ndim not in (1, 2) or array.shape[-1] != self.obs_size:
            size = self.obs_size
            raise ValueError(f"obs must be [{size}] or [B, {size}], got {list(array.shape)}")
        if not np.isfinite(array).all():
            raise ValueError("obs must be finite, got NaN or infinity")
        with torch.inference_mode():
            return self.module(torch.from_numpy(array)).numpy()

    def save(self, folder: str | Path) -> None:
        """Write policy.safetensors and policy.json into `folder`, each file atomically."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: tensor.contiguous() for name, tensor in self.module.state_dict().items()}
        content = save(weights)
        own = hashlib.sha256(content).hexdigest()
        write_file(folder / "policy.safetensors", content)
        write_json(folder / "policy.json", {"schema": SCHEMA, **self.metadata, "sha256": own})


def load_policy(folder: str | Path) -> Policy:
    """Load the policy that a run (or `Policy.save`) left in `folder`.

    Raises ValueError, naming the file, for a folder that holds none or a file that does not parse
    or holds something else.
    """
    folder = Path(folder)
    for left in reversed(range(10)):  # a run that trains replaces files, or its whole state
        try:
            return _load_once(folder)
        except _ReplacedError:
            if not left:
                raise
        except ValueError:
            if not (left and folder.is_symlink()):
                raise
            time.sleep(0.01)
    raise AssertionError("the last try returns or raises")


class _ReplacedError(ValueError):
    """The two files are not of one policy: one of them was replaced between the readings."""


def _load_once(folder: Path) -> Policy:
    path, facts = folder / "policy.safetensors", folder / "policy.json"
    metadata = read_json(facts, SCHEMA)
    with naming(facts):
        record(FACTS, optional=True)(metadata, "")
    own, before = metadata.pop("sha256", None), _sum_of(path)
    module = read_policy(path)
    if not own == before == _sum_of(path):
        raise _ReplacedError(f"{path} is not the one that policy.json tells of (SHA-256 differs)")
    return Policy(module, metadata)


def _sum_of(path: Path) -> str | None:
    return sha256_of(path) if path.is_file() else None


def read_policy(path: Path) -> PolicyModule:
    """Read the weights and bounds of a policy; raises ValueError, naming the file."""
    try:
        weights = read_tensors(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.parent} holds no readable policy: {error}") from error
    with naming(path):
        for name, tensor in weights.items():
            if tensor.dtype != torch.float32 or not tensor.isfinite().all():
                raise ValueError(f"{name:.60} must be of finite float32, got {tensor.dtype}")
        module = policy_module(weights)
        if not ((module.low < module.high) & (module.high - module.low).isfinite()).all():
            raise ValueError("low must be less than high, by a finite number")
    return module
