"""TD7 (arXiv 2306.02451): its networks, targets, and the gradients of one update.

The functions are pure: they are what is compiled, or captured in a CUDA graph. Nothing here
changes a tensor or waits for a device. Shape letters: P members, B batch, S obs, A action,
Z embedding.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from td7.agent import losses
from td7.agent.algorithm import ActorSide, Batch, CriticSide, Values
from td7.agent.networks import Actor, Critic, Encoder, effective_rank, member_linear, products
from td7.config import TD7Config


@dataclass(frozen=True)
class Rules:
    """What of the configuration the losses depend on."""

    discount: float
    target_policy_noise: float
    target_noise_clip: float
    min_priority: float
    bc_weight: float | None  # None online
    clones_only: bool  # the actor copies the data's actions, whatever their value
    bfloat16: bool  # matrix products

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


class TD7:
    """TD7 online, or offline with behaviour cloning; see td7.agent.algorithm.Algorithm."""

    # The order of the paper's section 4: the fixed encoder is copied from the trained one last.
    targets = (
        ("actor_target", "actor"),
        ("critic_target", "critic"),
        ("fixed_encoder_target", "fixed_encoder"),
        ("fixed_encoder", "encoder"),
    )
    value_targets = (("min_target", "min_seen"), ("max_target", "max_seen"))
    tau = 1.0
    # What targets are clipped to, and the range seen so far, which is never reset.
    values: ClassVar = {"min_target": 0.0, "max_target": 0.0, "min_seen": 1e8, "max_seen": -1e8}
    # The current policy is the actor with the fixed encoder, which it was trained on.
    acting: ClassVar = {
        "current": {"encoder": "fixed_encoder", "actor": "actor"},
        "checkpoint": {"encoder": "checkpoint_encoder", "actor": "checkpoint_actor"},
    }

    def __init__(self, config: TD7Config, *, offline: bool = False) -> None:
        self.config = config
        self.rules = Rules.of(config, offline)
        self.target_period = config.target_update_period
        self.learning_rates = {
            "encoder": config.encoder_lr,
            "critic": config.critic_lr,
            "actor": config.actor_lr,
        }

    def networks(self, obs_size: int, action_size: int, seeds: Sequence[int]) -> Networks:
        """Make the networks of all members; see Algorithm."""
        return Networks(obs_size, action_size, seeds, self.config)

    @staticmethod
    def diagnostics(nets: Networks, obs: Tensor) -> dict[str, Tensor]:
        """Return the effective rank of the fixed encoder's zs; a failed member's is meaningless."""
        zs = nets.fixed_encoder.zs(obs).nan_to_num()
        return {"train/zs_effective_rank": effective_rank(zs)}

    @staticmethod
    def critic_side(
        nets: Networks, values: Values, batch: Batch, noise: Tensor, rules: Rules
    ) -> CriticSide:
        """Return losses and gradients of encoder and critics (paper, section 4; LAP).

        noise [P, B, A] is standard normal; targets bootstrap from Q clipped to the values' range.
        """
        min_target, max_target = values["min_target"], values["max_target"]
        with products(batch.obs, bfloat16=rules.bfloat16):
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
        encoder, critic = tuple(nets.encoder.parameters()), tuple(nets.critic.parameters())
        gradients = torch.autograd.grad(encoder_loss.sum() + critic_loss.sum(), (*encoder, *critic))
        least, known = next_q.amin(1), q.detach()
        clipped = (least < min_target[:, None]) | (least > max_target[:, None])
        metrics = {
            "train/q_mean": known.mean((-1, -2)),
            "train/q_max": known.amax((-1, -2)),
            "train/td_error": td_error.mean(-1),
            "train/target_clipped": clipped.to(dtype).mean(-1),
        }
        return CriticSide(
            losses={"encoder": encoder_loss.detach(), "critic": critic_loss.detach()},
            gradients={
                "encoder": gradients[: len(encoder)],
                "critic": gradients[len(encoder) :],
            },
            td_error=td_error,
            shared=(zs,),
            values={
                "min_seen": torch.minimum(values["min_seen"], target.amin(-1)),
                "max_seen": torch.maximum(values["max_seen"], target.amax(-1)),
            },
            metrics=metrics,
        )

    @staticmethod
    def actor_side(
        nets: Networks, batch: Batch, shared: tuple[Tensor, ...], rules: Rules
    ) -> ActorSide:
        """Return the actor's loss, its actions' value and offline their cloning, and gradients."""
        (zs,) = shared
        with products(batch.obs, bfloat16=rules.bfloat16):
            action = nets.actor(batch.obs, zs)
            q = nets.critic(batch.obs, action, nets.fixed_encoder.zsa(zs, action), zs)
        q, action = q.to(batch.reward.dtype), action.to(batch.reward.dtype)
        loss = losses.actor_loss(q)
        if rules.clones_only:
            loss = losses.cloning_error(action, batch.action)
        elif rules.bc_weight is not None:
            loss = loss + rules.bc_weight * losses.behaviour_cloning_loss(q, action, batch.action)
        gradients = torch.autograd.grad(loss.sum(), tuple(nets.actor.parameters()))
        return ActorSide(loss.detach(), gradients)


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


def _frozen_copy(module: Any) -> Any:
    return copy.deepcopy(module).requires_grad_(False)
