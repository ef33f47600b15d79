"""The TD7 update for P members at once, in the order of the paper.

A `Learner` owns every network, optimiser state and clip range of its members; it knows neither
replay nor environments. Shape letters: P members, B batch, S obs, A action.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from td7.agent.td7 import (
    Batch,
    CriticResult,
    Networks,
    Rules,
    actor_gradients,
    critic_gradients,
)
from td7.config import TD7Config
from td7.updates.execution import compiled, tensor_products
from td7.updates.optimizer import MemberAdam

LOSSES = ("encoder", "critic", "actor")


class NonFiniteLossError(RuntimeError):
    """A loss became NaN or infinite; the step that it would have spoiled was not taken."""


@dataclass
class StepResult:
    """What one step gives, on the device: nothing of it has been waited for."""

    td_error: Tensor  # [P, B], the larger |TD error| of the two critics
    alive: Tensor  # bool [P]: the members that took the step
    metrics: dict[str, Tensor]  # [P] each


class Learner:
    """Networks, optimisers, targets, fixed encoders, checkpoints and clip ranges of P members."""

    RANGES = ("min_target", "max_target", "min_seen", "max_seen")

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
        self.rules = Rules.of(config, offline)
        self.nets = Networks(obs_size, action_size, seeds, config).to(device=device, dtype=dtype)
        nets = self.nets
        self.encoder_optimizer = MemberAdam(list(nets.encoder.parameters()), config.encoder_lr)
        self.critic_optimizer = MemberAdam(list(nets.critic.parameters()), config.critic_lr)
        self.actor_optimizer = MemberAdam(list(nets.actor.parameters()), config.actor_lr)
        self._critic_gradients = compiled(critic_gradients, config.execution)
        self._actor_gradients = compiled(actor_gradients, config.execution)
        self.updates = [0] * len(seeds)
        members = torch.ones(len(seeds), device=device, dtype=dtype)
        # what the targets are clipped to, and the range seen so far (never reset)
        self.min_target, self.max_target = 0 * members, 0 * members
        self.min_seen, self.max_seen = 1e8 * members, -1e8 * members
        # as the device knows them: the updates made, and the first loss that was not finite, as its
        # place in LOSSES from 1 and its value
        self._counts = torch.zeros(len(seeds), device=device, dtype=torch.int64)
        self._failure = torch.zeros_like(self._counts)
        self._failed_loss = 0 * members

    @property
    def members(self) -> int:
        """The number of members P."""
        return len(self.updates)

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.min_target.device

    @property
    def dtype(self) -> torch.dtype:
        """The type of weights, batches and noise."""
        return self.min_target.dtype

    def update(
        self, batch: Batch, noise: Tensor, members: Sequence[int] | None = None
    ) -> StepResult:
        """Make one update of these members, default all, in one phase of the policy period.

        noise [P, B, A] is standard normal. The others keep every bit, and so does, from then on,
        a member whose loss was not finite; `take_failure` tells.
        """
        chosen = list(range(self.members)) if members is None else list(members)
        result = self.step(batch, noise, self.mask(chosen), self.actor_is_due(chosen))
        self.advance(chosen)
        return result

    def mask(self, members: Sequence[int]) -> Tensor:
        """Return bool [P] on the device, true for these members."""
        return self._put([m in members for m in range(self.members)])

    def rows(self, members: Sequence[int]) -> Tensor:
        """Return these members [M] as numbers on the device."""
        return self._put(list(members))

    def alive(self, members: Sequence[int]) -> Tensor:
        """Return bool [P] on the device, true for these members but those that failed."""
        return self.mask(members) & (self._failure == 0)

    def _put(self, values: Sequence[int]) -> Tensor:
        """Copy values to the device without waiting for it."""
        tensor = torch.tensor(values, pin_memory=self.device.type == "cuda")
        return tensor.to(self.device, non_blocking=True)

    def actor_is_due(self, members: Sequence[int]) -> bool:
        """Whether the next update of these members, all in one phase, is one of the actor too."""
        due = {(self.updates[m] + 1) % self.config.policy_period == 0 for m in members}
        if len(due) > 1:
            raise ValueError("members that are updated together must be in one phase")
        return due == {True}

    def step(
        self,
        batch: Batch,
        noise: Tensor,
        active: Tensor,
        with_actor: bool,
        on_td_error: Callable[[Tensor, Tensor], None] = lambda td_error, alive: None,
    ) -> StepResult:
        """Make the steps of one update by tensors alone: nothing waits for the device.

        active bool [P]: who takes part. `on_td_error` gets the TD errors [P, B] and bool [P], who
        is alive, as early as they are known.
        """
        nets = self.nets
        with tensor_products(self.config.precision):
            result = self._critic_gradients(
                nets, batch, noise, self.min_target, self.max_target, self.rules
            )
        alive = self._take_critic_step(result, active)
        on_td_error(result.td_error, alive)
        metrics = result.metrics
        if with_actor:
            with tensor_products(self.config.precision):
                loss, gradients = self._actor_gradients(nets, batch, result.zs, self.rules)
            alive = self._still_alive(alive, 3, loss)
            self.actor_optimizer.step(gradients, alive)
            metrics = metrics | {"train/actor_loss": loss}
        self._counts += alive
        return StepResult(result.td_error, alive, metrics)

    def compile(self, batch: Batch, noise: Tensor) -> None:
        """Run what an update of such a batch computes, and change nothing: so it is compiled."""
        nets, ends = self.nets, (self.min_target, self.max_target)
        with tensor_products(self.config.precision):
            result = self._critic_gradients(nets, batch, noise, *ends, self.rules)
            self._actor_gradients(nets, batch, result.zs, self.rules)

    def _take_critic_step(self, result: CriticResult, active: Tensor) -> Tensor:
        """Step encoder, critics and the range seen; return who is alive."""
        alive = active & (self._failure == 0)
        alive = self._still_alive(alive, 1, result.encoder_loss)
        alive = self._still_alive(alive, 2, result.critic_loss)
        of_encoder = len(self.encoder_optimizer.parameters)
        self.encoder_optimizer.step(result.gradients[:of_encoder], alive)
        self.critic_optimizer.step(result.gradients[of_encoder:], alive)
        most = torch.maximum(self.max_seen, result.target_max)
        least = torch.minimum(self.min_seen, result.target_min)
        self.max_seen.copy_(torch.where(alive, most, self.max_seen))
        self.min_seen.copy_(torch.where(alive, least, self.min_seen))
        return alive

    def _still_alive(self, alive: Tensor, loss: int, value: Tensor) -> Tensor:
        """Record members [P] whose loss is not finite now, and return the others."""
        fine = torch.isfinite(value)
        failed = alive & ~fine
        self._failure.masked_fill_(failed, loss)
        self._failed_loss.copy_(torch.where(failed, value, self._failed_loss))
        return alive & fine

    def advance(self, members: Sequence[int]) -> list[int]:
        """Count an update of these members; return those whose targets moved on."""
        for member in members:
            self.updates[member] += 1
        period = self.config.target_update_period
        if due := [m for m in members if self.updates[m] % period == 0]:
            self._update_targets(due)
        return due

    @torch.no_grad()
    def _update_targets(self, members: Sequence[int]) -> None:
        """Move the targets of these members on, in the paper's order."""
        nets, due = self.nets, self.alive(members)
        _copy_where(due, nets.actor, nets.actor_target)
        _copy_where(due, nets.critic, nets.critic_target)
        _copy_where(due, nets.fixed_encoder, nets.fixed_encoder_target)
        _copy_where(due, nets.encoder, nets.fixed_encoder)
        self.min_target.copy_(torch.where(due, self.min_seen, self.min_target))
        self.max_target.copy_(torch.where(due, self.max_seen, self.max_target))

    def take_failure(self) -> NonFiniteLossError | None:
        """Wait for the device; return the error if a loss was not finite, and forget it.

        The member's count of updates is then that before the one which failed.
        """
        failures = self._failure.tolist()
        if not any(failures):
            return None
        self.updates = self._counts.tolist()
        worst = next(m for m, failure in enumerate(failures) if failure)
        name, value = LOSSES[failures[worst] - 1], self._failed_loss[worst].item()
        self._failure.zero_()
        return NonFiniteLossError(
            f"seed {self.seeds[worst]}: the {name} loss of update {self.updates[worst] + 1} "
            f"must be finite, got {value}"
        )

    def set_updates(self, updates: Sequence[int]) -> None:
        """Set the numbers of updates made [P], where a state is restored."""
        self.updates = list(updates)
        self._counts.copy_(torch.tensor(self.updates))

    def set_checkpoint(self, member: int) -> None:
        """Make this member's current actor and fixed encoder its checkpoint."""
        nets, chosen = self.nets, self.mask([member])
        _copy_where(chosen, nets.actor, nets.checkpoint_actor)
        _copy_where(chosen, nets.fixed_encoder, nets.checkpoint_encoder)

    def policy_weights(self, member: int, which: str) -> dict[str, Tensor]:
        """Copy one member's policy, `checkpoint` or `current`, out to the CPU.

        The current policy is the actor with the fixed encoder, which is what it was trained on.
        """
        if which not in ("checkpoint", "current"):
            raise ValueError(f"which must be 'checkpoint' or 'current', got {which!r}")
        nets, checkpoint = self.nets, which == "checkpoint"
        modules = {
            "encoder": nets.checkpoint_encoder if checkpoint else nets.fixed_encoder,
            "actor": nets.checkpoint_actor if checkpoint else nets.actor,
        }
        return {
            f"{prefix}.{name}": _unstack(name, tensor[member])
            for prefix, module in modules.items()
            for name, tensor in module.state_dict().items()
        }

    def tensors(self) -> dict[str, Tensor]:
        """Name every tensor of the state, each with a leading member axis (not copies)."""
        named = {name: tensor.detach() for name, tensor in self.nets.state_dict().items()}
        for name in LOSSES:
            named |= getattr(self, f"{name}_optimizer").tensors(f"{name}_optimizer")
        return named | {name: getattr(self, name) for name in self.RANGES}


def effective_rank(embedding: Tensor) -> Tensor:
    """Exponential of the entropy of the normalised singular values (Roy and Vetterli, 2007).

    embedding [P, B, Z] -> [P], between 1 (collapsed) and min(B, Z).
    """
    values = torch.linalg.svdvals(embedding)
    share = values / values.sum(-1, keepdim=True)
    return torch.special.entr(share).sum(-1).exp()


@torch.no_grad()
def _copy_where(chosen: Tensor, source: nn.Module, target: nn.Module) -> None:
    """Copy the parameters of the chosen members bool [P]."""
    for value, into in zip(source.parameters(), target.parameters(), strict=True):
        shape = (-1, *[1] * (value.dim() - 1))
        into.copy_(torch.where(chosen.view(shape), value, into))


def _unstack(name: str, tensor: Tensor) -> Tensor:
    """Copy one member's tensor to the CPU in the layout of `torch.nn.Linear`."""
    tensor = tensor.mT if name.endswith("weight") else tensor
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
