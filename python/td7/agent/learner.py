"""The TD7 update for P members at once, in the order of the paper.

A `Learner` owns every network, optimiser state and clip range; it knows neither replay nor
environments. Shape letters: P members, B batch, S obs, A action.
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
from td7.agent.optimizer import MemberAdam
from td7.config import TD7Config


class NonFiniteLossError(RuntimeError):
    """A loss became NaN or infinite; no network was stepped by it."""


@dataclass
class Batch:
    """Transitions on the learner's device; `not_terminated` is 0 only at a true termination."""

    obs: Tensor  # [P, B, S]
    action: Tensor  # [P, B, A], in [-1, 1]
    reward: Tensor  # [P, B]
    next_obs: Tensor  # [P, B, S]
    not_terminated: Tensor  # [P, B]


class Learner:
    """Networks, optimisers, targets, fixed encoders, checkpoints and clip ranges of P members."""

    MODULES = (
        "encoder actor critic fixed_encoder fixed_encoder_target actor_target critic_target "
        "checkpoint_encoder checkpoint_actor"
    ).split()

    def __init__(
        self,
        obs_size: int,
        action_size: int,
        seeds: Sequence[int],
        config: TD7Config,
        *,
        offline: bool = False,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.config, self.offline, self.seeds = config, offline, list(seeds)
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        linear = member_linear(generators)
        sizes = obs_size, action_size, config.embedding_size
        self.encoder = Encoder(*sizes, config.encoder_hidden, linear)
        self.actor = Actor(*sizes, config.actor_hidden, linear)
        self.critic = Critic(*sizes, config.critic_hidden, generators)
        for module in (self.encoder, self.actor, self.critic):
            module.to(device=device, dtype=dtype)
        self.fixed_encoder = _frozen_copy(self.encoder)
        self.fixed_encoder_target = _frozen_copy(self.encoder)
        self.checkpoint_encoder = _frozen_copy(self.encoder)
        self.actor_target = _frozen_copy(self.actor)
        self.checkpoint_actor = _frozen_copy(self.actor)
        self.critic_target = _frozen_copy(self.critic)
        self._make_optimizers()
        self.updates = [0] * len(seeds)
        members = torch.ones(len(seeds), device=device, dtype=dtype)
        # what the targets are clipped to, and the range seen so far (never reset)
        self.min_target, self.max_target = 0 * members, 0 * members
        self.min_seen, self.max_seen = 1e8 * members, -1e8 * members

    @property
    def members(self) -> int:
        """The number of members P."""
        return len(self.updates)

    def update(self, batch: Batch, noise: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Make one update of every member, which must be in one phase of the policy period.

        noise [P, B, A] is standard normal. Returns the larger |TD error| of the two critics
        [P, B] and metrics [P]. Raises NonFiniteLossError before the step that would spoil weights.
        """
        updates = [count + 1 for count in self.updates]
        encoder_loss = self._encoder_loss(batch)
        with torch.no_grad():
            zs = self.fixed_encoder.zs(batch.obs)
            zsa = self.fixed_encoder.zsa(zs, batch.action)
            target, clipped = self._target(batch, noise)
        q = self.critic(batch.obs, batch.action, zsa, zs)
        critic_loss, td_error = losses.critic_loss(q, target, self.config.min_priority)
        self._check_finite("encoder", encoder_loss)
        self._check_finite("critic", critic_loss)
        self.encoder_optimizer.step(encoder_loss)
        self.critic_optimizer.step(critic_loss)
        self.max_seen = torch.maximum(self.max_seen, target.amax(-1))
        self.min_seen = torch.minimum(self.min_seen, target.amin(-1))

        metrics = {
            "train/encoder_loss": encoder_loss.detach(),
            "train/critic_loss": critic_loss.detach(),
            "train/q_mean": q.detach().mean((-1, -2)),
            "train/q_max": q.detach().amax((-1, -2)),
            "train/td_error": td_error.mean(-1),
            "train/target_clipped": clipped,
        }

        if updates[0] % self.config.policy_period == 0:
            metrics["train/actor_loss"] = self._update_actor(batch, zs)
        period = self.config.target_update_period
        if due := [m for m, count in enumerate(updates) if count % period == 0]:
            self._update_targets(due)
        self.updates = updates
        return td_error, metrics

    def _check_finite(self, name: str, loss: Tensor) -> None:
        """Refuse a loss [P] that would spoil the weights."""
        if not torch.isfinite(loss).all():
            worst = int((~torch.isfinite(loss)).nonzero()[0])
            raise NonFiniteLossError(
                f"seed {self.seeds[worst]}: the {name} loss of update {self.updates[worst] + 1} "
                f"must be finite, got {loss[worst].item()}"
            )

    def _encoder_loss(self, batch: Batch) -> Tensor:
        """Predict the next state's embedding from this state's and the action -> [P]."""
        with torch.no_grad():
            next_zs = self.encoder.zs(batch.next_obs)
        zsa = self.encoder.zsa(self.encoder.zs(batch.obs), batch.action)
        return losses.encoder_loss(zsa, next_zs)

    def _target(self, batch: Batch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the critics' targets [P, B], and the share of them that was clipped [P]."""
        cfg = self.config
        next_zs = self.fixed_encoder_target.zs(batch.next_obs)
        next_action = losses.target_action(
            self.actor_target(batch.next_obs, next_zs),
            noise,
            cfg.target_policy_noise,
            cfg.target_noise_clip,
        )
        next_zsa = self.fixed_encoder_target.zsa(next_zs, next_action)
        next_q = self.critic_target(batch.next_obs, next_action, next_zsa, next_zs)
        target = losses.td_target(
            batch.reward,
            batch.not_terminated,
            next_q,
            cfg.discount,
            self.min_target,
            self.max_target,
        )
        least = next_q.amin(1)
        clipped = (least < self.min_target[:, None]) | (least > self.max_target[:, None])
        return target, clipped.to(target.dtype).mean(-1)

    def _update_actor(self, batch: Batch, zs: Tensor) -> Tensor:
        """Ascend the updated critics; only the actor gets gradients."""
        self.critic.requires_grad_(False)
        try:
            action = self.actor(batch.obs, zs)
            q = self.critic(batch.obs, action, self.fixed_encoder.zsa(zs, action), zs)
            loss = losses.actor_loss(q)
            if self.offline:
                cloning = losses.behaviour_cloning_loss(q, action, batch.action)
                loss = loss + self.config.bc_weight * cloning
            self._check_finite("actor", loss)
            self.actor_optimizer.step(loss)
        finally:
            self.critic.requires_grad_(True)
        return loss.detach()

    @torch.no_grad()
    def _update_targets(self, members: Sequence[int]) -> None:
        """Move the targets of these members on, in the paper's order."""
        _copy_members(self.actor, self.actor_target, members)
        _copy_members(self.critic, self.critic_target, members)
        _copy_members(self.fixed_encoder, self.fixed_encoder_target, members)
        _copy_members(self.encoder, self.fixed_encoder, members)
        for member in members:
            self.min_target[member] = self.min_seen[member]
            self.max_target[member] = self.max_seen[member]

    def set_checkpoint(self, member: int) -> None:
        """Make this member's current actor and fixed encoder its checkpoint."""
        _copy_members(self.actor, self.checkpoint_actor, [member])
        _copy_members(self.fixed_encoder, self.checkpoint_encoder, [member])

    def policy_weights(self, member: int, which: str) -> dict[str, Tensor]:
        """Copy one member's policy, `checkpoint` or `current`, out to the CPU.

        The current policy is the actor with the fixed encoder, which is what it was trained on.
        """
        if which not in ("checkpoint", "current"):
            raise ValueError(f"which must be 'checkpoint' or 'current', got {which!r}")
        checkpoint = which == "checkpoint"
        modules = {
            "encoder": self.checkpoint_encoder if checkpoint else self.fixed_encoder,
            "actor": self.checkpoint_actor if checkpoint else self.actor,
        }
        return {
            f"{prefix}.{name}": _unstack(name, tensor[member])
            for prefix, module in modules.items()
            for name, tensor in module.state_dict().items()
        }

    def tensors(self) -> dict[str, Tensor]:
        """Name every tensor of the state, each with a leading member axis (not copies)."""
        named = {
            f"{name}.{key}": tensor.detach()
            for name in self.MODULES
            for key, tensor in getattr(self, name).state_dict().items()
        }
        for name in ("encoder", "critic", "actor"):
            named |= getattr(self, f"{name}_optimizer").tensors(f"{name}_optimizer")
        for name in ("min_target", "max_target", "min_seen", "max_seen"):
            named[name] = getattr(self, name)
        return named

    def take(self, members: Sequence[int]) -> Learner:
        """Return a learner of these members alone, a copy."""
        part = copy.copy(self)
        index = torch.tensor(members, device=self.min_target.device)
        for name in self.MODULES:
            module = copy.deepcopy(getattr(self, name))
            for parameter in module.parameters():
                parameter.data = parameter.data[index]
            setattr(part, name, module)
        part._make_optimizers()
        for name in ("min_target", "max_target", "min_seen", "max_seen"):
            setattr(part, name, getattr(self, name)[index])
        part.updates = [self.updates[m] for m in members]
        part.seeds = [self.seeds[m] for m in members]
        mine = self.tensors()
        for name, tensor in part.tensors().items():
            if "_optimizer." in name:
                tensor.copy_(mine[name][index])
        return part

    def put(self, members: Sequence[int], part: Learner) -> None:
        """Write the members of `part` back to their places; the others keep every bit."""
        index = torch.tensor(members, device=self.min_target.device)
        theirs = part.tensors()
        for name, tensor in self.tensors().items():
            tensor[index] = theirs[name]
        for member, count in zip(members, part.updates, strict=True):
            self.updates[member] = count

    def load(self, tensors: dict[str, Tensor], updates: Sequence[int]) -> None:
        """Restore the state named by `tensors()`; every name and shape must match."""
        mine = self.tensors()
        if missing := sorted(mine.keys() ^ tensors.keys()):
            raise ValueError(f"the state and this configuration differ in {missing[0]!r}")
        for name, tensor in mine.items():
            if tensor.shape != tensors[name].shape or tensor.dtype != tensors[name].dtype:
                raise ValueError(
                    f"{name} must be {tensor.dtype} {list(tensor.shape)}, "
                    f"got {tensors[name].dtype} {list(tensors[name].shape)}"
                )
        for name, tensor in mine.items():
            tensor.copy_(tensors[name])
        self.updates = list(updates)

    def _make_optimizers(self) -> None:
        cfg = self.config
        self.encoder_optimizer = MemberAdam(list(self.encoder.parameters()), cfg.encoder_lr)
        self.critic_optimizer = MemberAdam(list(self.critic.parameters()), cfg.critic_lr)
        self.actor_optimizer = MemberAdam(list(self.actor.parameters()), cfg.actor_lr)


def effective_rank(embedding: Tensor) -> Tensor:
    """Exponential of the entropy of the normalised singular values (Roy and Vetterli, 2007).

    embedding [P, B, Z] -> [P], between 1 (collapsed) and min(B, Z).
    """
    values = torch.linalg.svdvals(embedding)
    share = values / values.sum(-1, keepdim=True)
    return torch.special.entr(share).sum(-1).exp()


def _frozen_copy(module: Any) -> Any:
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def _copy_members(source: nn.Module, target: nn.Module, members: Sequence[int]) -> None:
    for value, into in zip(source.parameters(), target.parameters(), strict=True):
        for member in members:
            into[member].copy_(value[member])


def _unstack(name: str, tensor: Tensor) -> Tensor:
    """Copy one member's tensor to the CPU in the layout of `torch.nn.Linear`."""
    tensor = tensor.mT if name.endswith("weight") else tensor
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
