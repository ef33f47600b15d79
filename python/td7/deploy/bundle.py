"""What a bundle holds: its schema and graphs. Export writes it, verify reads it."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from td7.deploy.policy import PolicyModule

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


def interface(policy: PolicyModule) -> dict[str, Any]:
    """Return what the manifest says of a policy's input and output."""
    return {
        "obs": {"shape": [policy.obs_size], "dtype": "float32"},
        "actions": {
            "shape": [policy.action_size],
            "dtype": "float32",
            "low": policy.low.tolist(),
            "high": policy.high.tolist(),
            "scale_applied": True,
        },
    }


def graphs(policy: PolicyModule) -> dict[str, tuple[nn.Module, tuple[str, ...], str]]:
    """Return every graph of a bundle: name -> (module, names of its inputs, name of its output)."""
    return {
        "policy": (policy, ("obs",), "actions"),
        "encoder_zs": (StateEncoder(policy).eval(), ("obs",), "zs"),
        "encoder_zsa": (StateActionEncoder(policy).eval(), ("obs", "actions"), "zsa"),
    }
