"""The policy that acts: obs -> the environment's own action, in one graph.

These modules are what is exported. What collects and is evaluated is the same function in C++
where there is one (`td7.policy.native`), equal to it within 1e-5.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from td7.agent.networks import Actor, Encoder, PlainActor


class PolicyModule(nn.Module):
    """Map observations [B, S] to the environment's actions [B, A]."""

    low: Tensor
    high: Tensor

    def __init__(self, obs_size: int, action_size: int) -> None:
        super().__init__()
        self.obs_size, self.action_size = obs_size, action_size
        self.register_buffer("low", -torch.ones(action_size, dtype=torch.float32))
        self.register_buffer("high", torch.ones(action_size, dtype=torch.float32))

    @property
    def parts(self) -> list[str]:
        """The names of its networks."""
        return [name for name, _ in self.named_children()]

    def forward(self, obs: Tensor) -> Tensor:
        """Return the deterministic action within the environment's bounds."""
        return self.to_env(self.normalised(obs))

    def normalised(self, obs: Tensor) -> Tensor:
        """Return the action in [-1, 1], the learner's unit."""
        raise NotImplementedError

    def to_env(self, action: Tensor) -> Tensor:
        """Map [-1, 1] to the environment's bounds, each dimension by its own."""
        centre, half = (self.high + self.low) / 2, (self.high - self.low) / 2
        return torch.minimum(torch.maximum(centre + half * action, self.low), self.high)


class SalePolicy(PolicyModule):
    """An actor that sees the state's embedding: obs -> zs -> actor (SALE)."""

    def __init__(
        self,
        obs_size: int,
        action_size: int,
        embedding_size: int = 256,
        encoder_hidden: int = 256,
        actor_hidden: int = 256,
    ) -> None:
        super().__init__(obs_size, action_size)
        self.embedding_size = embedding_size
        sizes = obs_size, action_size, embedding_size
        self.encoder = Encoder(*sizes, encoder_hidden)
        self.actor = Actor(*sizes, actor_hidden)
        self.requires_grad_(False)
        self.eval()

    @classmethod
    def sizes(cls, weights: Mapping[str, Tensor]) -> tuple[int, ...]:
        """Return the constructor's arguments for these weights; KeyError if one is missing."""
        hidden, obs_size = weights["encoder.zs1.weight"].shape
        return (
            obs_size,
            weights["actor.l3.weight"].shape[0],
            weights["encoder.zs3.weight"].shape[0],
            hidden,
            weights["actor.l0.weight"].shape[0],
        )

    def normalised(self, obs: Tensor) -> Tensor:
        """Return the action in [-1, 1], the learner's unit."""
        return self.actor(obs, self.encoder.zs(obs))


class PlainPolicy(PolicyModule):
    """An actor of its own: obs -> actor."""

    def __init__(self, obs_size: int, action_size: int, actor_hidden: int = 256) -> None:
        super().__init__(obs_size, action_size)
        self.actor = PlainActor(obs_size, action_size, actor_hidden)
        self.requires_grad_(False)
        self.eval()

    @classmethod
    def sizes(cls, weights: Mapping[str, Tensor]) -> tuple[int, ...]:
        """Return the constructor's arguments for these weights; KeyError if one is missing."""
        hidden, obs_size = weights["actor.l1.weight"].shape
        return obs_size, weights["actor.l3.weight"].shape[0], hidden

    def normalised(self, obs: Tensor) -> Tensor:
        """Return the action in [-1, 1], the learner's unit."""
        return self.actor(obs)


def policy_module(weights: Mapping[str, Tensor]) -> PolicyModule:
    """Build a policy module whose kind and sizes are the weights' (bounds low, high included).

    Weights of an encoder make a SalePolicy, others a PlainPolicy. Raises ValueError for weights
    whose sizes do not fit each other, before any are made.
    """
    with_encoder = any(name.startswith("encoder.") for name in weights)
    kind: type[SalePolicy | PlainPolicy] = SalePolicy if with_encoder else PlainPolicy
    try:
        sizes = kind.sizes(weights)
        if min(sizes) < 1:
            raise ValueError(f"a size is 0: {sizes}")
        with torch.device("meta"):  # shapes without memory
            wanted = kind(*sizes).state_dict()
        for name, tensor in wanted.items():
            if weights[name].shape != tensor.shape:
                raise ValueError(
                    f"{name} must be {list(tensor.shape)}, got {list(weights[name].shape)}"
                )
        module = kind(*sizes)
        module.load_state_dict(weights)
    except (KeyError, ValueError, RuntimeError) as error:
        raise ValueError(f"the weights are not those of a policy: {error}") from error
    return module
