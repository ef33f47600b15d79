"""What a bundle holds: its schema, graphs and manifest. Export writes it, verify reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from td7.deploy.policy import PolicyModule
from td7.files import sha256_of

SCHEMA = "td7.bundle/1"


class StateEncoder(nn.Module):
    """obs [B, S] -> zs [B, Z]."""

    def __init__(self, policy: PolicyModule) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, obs: Tensor) -> Tensor:
        """Embed observations."""
        return self.policy.encoder.zs(obs)


class StateActionEncoder(nn.Module):
    """obs [B, S] and actions [B, A] in the environment's units -> zsa [B, Z]."""

    def __init__(self, policy: PolicyModule) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, obs: Tensor, actions: Tensor) -> Tensor:
        """Embed observations with actions, which are mapped to [-1, 1] here."""
        low, high = self.policy.low, self.policy.high
        normalised = 2 * (actions - low) / (high - low) - 1
        return self.policy.encoder.zsa(self.policy.encoder.zs(obs), normalised)


def graphs(policy: PolicyModule) -> dict[str, tuple[nn.Module, tuple[str, ...], str]]:
    """Return every graph of a bundle: name -> (module, names of its inputs, name of its output)."""
    return {
        "policy": (policy, ("obs",), "actions"),
        "encoder_zs": (StateEncoder(policy).eval(), ("obs",), "zs"),
        "encoder_zsa": (StateActionEncoder(policy).eval(), ("obs", "actions"), "zsa"),
    }


def read_manifest(bundle: Path) -> dict[str, Any]:
    """Read a bundle's manifest after checking its schema and the SHA-256 of every file.

    Raises ValueError naming the file that is missing, extra or not as it was exported.
    """
    path = bundle / "manifest.json"
    if not path.is_file():
        raise ValueError(f"{bundle} is not a bundle (no manifest.json)")
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        schema, sums = manifest["schema"], dict(manifest["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} does not parse: {error}") from error
    if schema != SCHEMA:
        raise ValueError(f"{path}: schema must be {SCHEMA}, got {schema}")
    present = {item.name for item in bundle.iterdir()} - {"manifest.json"}
    if odd := sorted(present ^ sums.keys()):
        raise ValueError(f"{bundle / odd[0]}: the bundle and its manifest differ in this file")
    for name, wanted in sums.items():
        if sha256_of(bundle / name) != wanted:
            raise ValueError(f"{bundle / name} is not as it was exported (SHA-256 differs)")
    return manifest
