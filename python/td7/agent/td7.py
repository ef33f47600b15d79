"""The gradients of one TD7 update as pure functions of the networks: what is compiled, or captured.

Nothing here changes a tensor or waits for a device. Shape letters: P members, B batch, S obs,
A action, Z embedding.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from td7.agent import losses
from td7.agent.networks import Actor, Critic, Encoder, member_linear
from td7.config import TD7Config


@dataclass
class Batch:
    """Transitions on the learner's device; `not_terminated` is 0 only at a true termination."""

    obs: Tensor  # [P, B, S]
    action: Tensor  # [P, B, A], in [-1, 1]
    reward: Tensor  # [P, B]
    next_obs: Tensor  # [P, B, S]
    not_terminated: Tensor  # [P, B]


@dataclass(frozen=True)
class Rules:
    """What of the configuration the losses depend on."""

    discount: float
    target_policy_noise: float
    target_noise_clip: float
    min_priority: float
    bc_weight: float | None  # None online
    clones_only: bool  # the actor copies the data's actions, whatever their value
    low_precision: bool  # matrix products in bfloat16

    @classmethod
    def of(cls, config: TD7Config, offline: bool) -> Rules:
        """Take them from a configuration."""
        return cls(
            config.discount,
            config.target_policy_noise,
            config.target_noise_clip,
            config.min_priority,
            config.bc_weight if offline else None,
            offline and config.offline_loss == "bc",
            config.precision == "bf16",
        )


class Networks(nn.Module):
    """The networks that are trained and the copies that targets, critics and tests see."""

    def __init__(
        self, obs_size: int, action_size: int, seeds: Sequence[int], config: TD7Config
    ) -> None:
        super().__init__()
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        linear = member_linear(generators)
        sizes = obs_size, action_size, config.embedding_size
        self.encoder = Encoder(*sizes, config.encoder_hidden, linear)
        self.actor = Actor(*sizes, config.actor_hidden, linear)
        self.critic = Critic(*sizes, config.critic_hidden, generators)
        self.fixed_encoder = _frozen_copy(self.encoder)
        self.fixed_encoder_target = _frozen_copy(self.encoder)
        self.actor_target = _frozen_copy(self.actor)
        self.critic_target = _frozen_copy(self.critic)
        self.checkpoint_encoder = _frozen_copy(self.encoder)
        self.checkpoint_actor = _frozen_copy(self.actor)


@dataclass
class CriticResult:
    """Losses [P] and gradients of encoder and critics, and what the rest of the update needs."""

    gradients: tuple[Tensor, ...]  # of the encoder's parameters, then of the critics'
    encoder_loss: Tensor  # [P]
    critic_loss: Tensor  # [P]
    td_error: Tensor  # [P, B]: the larger |TD error| of the two critics
    zs: Tensor  # [P, B, Z], of the fixed encoder
    target_min: Tensor  # [P]
    target_max: Tensor  # [P]
    metrics: dict[str, Tensor]  # [P] each


def critic_gradients(
    nets: Networks,
    batch: Batch,
    noise: Tensor,
    min_target: Tensor,
    max_target: Tensor,
    rules: Rules,
) -> CriticResult:
    """Return losses and gradients of encoder and critics (paper, section 4; LAP).

    noise [P, B, A] is standard normal; targets bootstrap from what is clipped to the range [P].
    """
    with _products(batch, rules):
        with torch.no_grad():
            next_embedding = nets.encoder.zs(batch.next_obs)
            zs = nets.fixed_encoder.zs(batch.obs)
            zsa = nets.fixed_encoder.zsa(zs, batch.action)
            next_q = _next_q(nets, batch, noise, rules)
        prediction = nets.encoder.zsa(nets.encoder.zs(batch.obs), batch.action)
        q = nets.critic(batch.obs, batch.action, zsa, zs)
    dtype = batch.reward.dtype
    q, next_q = q.to(dtype), next_q.to(dtype)
    target = losses.td_target(
        batch.reward, batch.not_terminated, next_q, rules.discount, min_target, max_target
    )
    encoder_loss = losses.encoder_loss(prediction.to(dtype), next_embedding.to(dtype))
    critic_loss, td_error = losses.critic_loss(q, target, rules.min_priority)
    trained = (*nets.encoder.parameters(), *nets.critic.parameters())
    gradients = torch.autograd.grad(encoder_loss.sum() + critic_loss.sum(), trained)
    encoder_loss, critic_loss = encoder_loss.detach(), critic_loss.detach()
    least, known = next_q.amin(1), q.detach()
    clipped = (least < min_target[:, None]) | (least > max_target[:, None])
    metrics = {
        "train/encoder_loss": encoder_loss,
        "train/critic_loss": critic_loss,
        "train/q_mean": known.mean((-1, -2)),
        "train/q_max": known.amax((-1, -2)),
        "train/td_error": td_error.mean(-1),
        "train/target_clipped": clipped.to(dtype).mean(-1),
    }
    ends = target.amin(-1), target.amax(-1)
    return CriticResult(gradients, encoder_loss, critic_loss, td_error, zs, *ends, metrics)


def actor_gradients(
    nets: Networks, batch: Batch, zs: Tensor, rules: Rules
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the actor's loss [P], its actions' value and offline their cloning, and gradients."""
    with _products(batch, rules):
        action = nets.actor(batch.obs, zs)
        q = nets.critic(batch.obs, action, nets.fixed_encoder.zsa(zs, action), zs)
    q, action = q.to(batch.reward.dtype), action.to(batch.reward.dtype)
    loss = losses.actor_loss(q)
    if rules.clones_only:
        loss = losses.cloning_error(action, batch.action)
    elif rules.bc_weight is not None:
        loss = loss + rules.bc_weight * losses.behaviour_cloning_loss(q, action, batch.action)
    gradients = torch.autograd.grad(loss.sum(), tuple(nets.actor.parameters()))
    return loss.detach(), gradients


def _next_q(nets: Networks, batch: Batch, noise: Tensor, rules: Rules) -> Tensor:
    """Value the smoothed target action by the target critics -> [P, 2, B]."""
    next_zs = nets.fixed_encoder_target.zs(batch.next_obs)
    next_action = losses.target_action(
        nets.actor_target(batch.next_obs, next_zs),
        noise,
        rules.target_policy_noise,
        rules.target_noise_clip,
    )
    next_zsa = nets.fixed_encoder_target.zsa(next_zs, next_action)
    return nets.critic_target(batch.next_obs, next_action, next_zsa, next_zs)


def _products(batch: Batch, rules: Rules) -> torch.autocast:
    device = batch.obs.device.type
    return torch.autocast(device, torch.bfloat16, enabled=rules.low_precision, cache_enabled=False)


def _frozen_copy(module: Any) -> Any:
    return copy.deepcopy(module).requires_grad_(False)
