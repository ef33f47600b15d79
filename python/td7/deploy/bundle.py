"""What a bundle holds: its schema, graphs, files and facts. Export writes them, verify checks them.

bundle.schema.json beside this file is the JSON schema of manifest.json.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from td7.deploy.formats import GRAPH_FILES
from td7.envs.signals import Signals
from td7.files.json_checks import either, exactly, items, mapping, number, record, text
from td7.policy.module import PolicyModule, SalePolicy
from td7.policy.saved import FACTS

SCHEMA = "td7.bundle/1"
TOLERANCE = 1e-5  # of an action in units of half its range (see verify), of an embedding as it is
WEIGHTS, VECTORS, README = "policy.safetensors", "vectors.safetensors", "README.md"
READ = (".safetensors", ".json")  # endings of files that runtimes read beside graphs
NAMES = {"obs": ("obs_names", "obs_units"), "actions": ("action_names", "action_units")}


class StateEncoder(nn.Module):
    """obs [B, S] -> zs [B, Z]."""

    def __init__(self, policy: SalePolicy) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, obs: Tensor) -> Tensor:
        """Embed observations."""
        return self.policy.encoder.zs(obs)


class StateActionEncoder(nn.Module):
    """obs [B, S] and actions [B, A] in the environment's units -> zsa [B, Z]."""

    def __init__(self, policy: SalePolicy) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, obs: Tensor, actions: Tensor) -> Tensor:
        """Embed observations with actions, which are mapped to [-1, 1] here."""
        low, high = self.policy.low, self.policy.high
        normalised = 2 * (actions - low) / (high - low) - 1
        return self.policy.encoder.zsa(self.policy.encoder.zs(obs), normalised)


def graphs(policy: PolicyModule) -> dict[str, tuple[nn.Module, tuple[str, ...], str]]:
    """Return every graph of a bundle: name -> (module, names of its inputs, name of its output)."""
    found: dict[str, tuple[nn.Module, tuple[str, ...], str]] = {
        "policy": (policy, ("obs",), "actions")
    }
    if isinstance(policy, SalePolicy):
        found["encoder_zs"] = StateEncoder(policy).eval(), ("obs",), "zs"
        found["encoder_zsa"] = StateActionEncoder(policy).eval(), ("obs", "actions"), "zsa"
    return found


def files(policy: PolicyModule) -> set[str]:
    """Return the names of all files that a bundle may hold beside its manifest."""
    graph_files = {
        f"{name}{file.ending}"
        for name in graphs(policy)
        for file in GRAPH_FILES
        if name == "policy" or not file.policy_only
    }
    return graph_files | {WEIGHTS, VECTORS, README}


def is_read(name: str) -> bool:
    """Return whether a runtime or a compiler may read a file of this name in a bundle.

    None reads the README, a hidden file (.DS_Store), one in a folder or one of another ending.
    """
    endings = (*(Path(file.ending).suffix or file.ending for file in GRAPH_FILES), *READ)
    return "/" not in name and not name.startswith(".") and name.lower().endswith(endings)


def interface(policy: PolicyModule, known: Signals) -> dict[str, Any]:
    """Return what the manifest says of a policy's input and output."""
    return {
        "obs": {
            "name": "obs",
            "shape": [policy.obs_size],
            "dtype": "float32",
            "names": known.obs_names,
            "units": known.obs_units,
        },
        "actions": {
            "name": "actions",
            "shape": [policy.action_size],
            "dtype": "float32",
            "low": policy.low.tolist(),
            "high": policy.high.tolist(),
            "scale_applied": True,
            "names": known.action_names,
            "units": known.action_units,
        },
        "dt": known.dt,
    }


def public_name(env: str) -> str:
    """Return an environment's name without the folders of a task's file."""
    where, _, name = env.rpartition(":")
    return f"{Path(where).name}:{name}" if where.endswith(".py") else env


def check_facts(manifest: dict[str, Any], policy: PolicyModule) -> None:
    """Want what export writes; raises ValueError for facts that contradict the policy."""
    record(FACTS, optional=True)(manifest, "")
    plain = interface(policy, Signals())
    for name, size in (("obs", policy.obs_size), ("actions", policy.action_size)):
        lists = either(exactly([]), items(text("(?s).{0,1000}", "a short text"), size, size))
        named = {"names": lists, "units": lists}
        known = {key: exactly(value) for key, value in plain[name].items() if key not in named}
        record(known | named)(manifest.get(name), name)
    either(exactly(None), number(1e-9, 1e9))(manifest.get("dt"), "dt")
    exactly(TOLERANCE)(manifest.get("tolerance"), "tolerance")
    measured = record(
        {
            "action_error": number(0, 1),
            "episode_return": number(-1e300, 1e300),
            "episode_return_float32": number(-1e300, 1e300),
        }
    )
    mapping("native-bf16", measured, 1)(manifest.get("variants"), "variants")
    if odd := sorted(manifest["sha256"].keys() - files(policy)):
        raise ValueError(f"{odd[0]:.60} is no file of a bundle")
