"""TD3 (Fujimoto, van Hoof, Meger, ICML 2018, arXiv 1802.09477), as its author's code has it.

Actor and twin critics of ReLU layers, squared error, uniform replay, no embeddings, no
checkpoints. Shape letters: P members, B batch, S obs, A action.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from td7.agent import losses
from td7.agent.algorithm import ActorSide, Batch, CriticSide, Values
from td7.agent.networks import MemberLinear, PlainActor, member_linear, products, twice
from td7.config import TD3Config


@dataclass(frozen=True)
class Rules:
    """What of the configuration the losses depend on."""

    discount: float
    target_policy_noise: float
    target_noise_clip: float
    bfloat16: bool  # matrix products


class Critic(nn.Module):
    """Twin critics (obs, action) -> Q, stacked in the axis after the members."""

    def __init__(
        self,
        obs_size: int,
        action_size: int,
        hidden_size: int,
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        self.q1 = MemberLinear(obs_size + action_size, hidden_size, generators, copies=(2,))
        self.q2 = MemberLinear(hidden_size, hidden_size, generators, copies=(2,))
        self.q3 = MemberLinear(hidden_size, 1, generators, copies=(2,))

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        """Map obs [P, B, S] and action [P, B, A] to Q [P, 2, B]."""
        h = F.relu(self.q1(twice(obs), twice(action)))
        h = F.relu(self.q2(h))
        return self.q3(h).squeeze(-1)


class Networks(nn.Module):
    """Actor, critics and their targets."""

    def __init__(
        self, obs_size: int, action_size: int, seeds: Sequence[int], config: TD3Config
    ) -> None:
        super().__init__()
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        linear = member_linear(generators)
        self.actor = PlainActor(obs_size, action_size, config.actor_hidden, linear)
        self.critic = Critic(obs_size, action_size, config.critic_hidden, generators)
        self.actor_target = copy.deepcopy(self.actor).requires_grad_(False)
        self.critic_target = copy.deepcopy(self.critic).requires_grad_(False)


class TD3:
    """TD3, online; see td7.agent.algorithm.Algorithm."""

    targets = (("critic_target", "critic"), ("actor_target", "actor"))
    value_targets = ()
    values: ClassVar[dict[str, float]] = {}
    acting: ClassVar = {"current": {"actor": "actor"}}
    diagnostics = None

    def __init__(self, config: TD3Config, *, offline: bool = False) -> None:
        if offline:
            raise ValueError("TD3 learns online only: use td7 to learn from a data set")
        self.config = config
        self.rules = Rules(
            config.discount,
            config.target_policy_noise,
            config.target_noise_clip,
            config.precision == "bf16",
        )
        # The targets move at each of the actor's updates.
        self.target_period, self.tau = config.policy_period, config.tau
        self.learning_rates = {"critic": config.critic_lr, "actor": config.actor_lr}

    def networks(self, obs_size: int, action_size: int, seeds: Sequence[int]) -> Networks:
        """Make the networks of all members; see Algorithm."""
        return Networks(obs_size, action_size, seeds, self.config)

    @staticmethod
    def critic_side(
        nets: Networks, values: Values, batch: Batch, noise: Tensor, rules: Rules
    ) -> CriticSide:
        """Return the critics' squared error and gradients; noise [P, B, A] is standard normal."""
        with products(batch.obs, bfloat16=rules.bfloat16):
            with torch.no_grad():
                next_action = losses.target_action(
                    nets.actor_target(batch.next_obs),
                    noise,
                    rules.target_policy_noise,
                    rules.target_noise_clip,
                )
                next_q = nets.critic_target(batch.next_obs, next_action)
            q = nets.critic(batch.obs, batch.action)
        q, next_q = q.to(batch.reward.dtype), next_q.to(batch.reward.dtype)
        target = batch.reward + rules.discount * batch.not_terminated * next_q.amin(1)
        d = q - target[:, None]
        loss = d.square().sum(1).mean(-1)
        gradients = torch.autograd.grad(loss.sum(), tuple(nets.critic.parameters()))
        known, td_error = q.detach(), d.detach().abs().amax(1)
        return CriticSide(
            losses={"critic": loss.detach()},
            gradients={"critic": gradients},
            td_error=td_error,
            shared=(),
            values={},
            metrics={
                "train/q_mean": known.mean((-1, -2)),
                "train/q_max": known.amax((-1, -2)),
                "train/td_error": td_error.mean(-1),
            },
        )

    @staticmethod
    def actor_side(
        nets: Networks, batch: Batch, shared: tuple[Tensor, ...], rules: Rules
    ) -> ActorSide:
        """Return the negative mean of the first critic's value of the actor's actions."""
        with products(batch.obs, bfloat16=rules.bfloat16):
            q = nets.critic(batch.obs, nets.actor(batch.obs))[:, 0]
        loss = -q.to(batch.reward.dtype).mean(-1)
        gradients = torch.autograd.grad(loss.sum(), tuple(nets.actor.parameters()))
        return ActorSide(loss.detach(), gradients)
