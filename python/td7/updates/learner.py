"""The update of P members at once, whatever the algorithm.

A `Learner` owns every network, optimiser state and value of its members; it knows neither replay
nor environments. Shape letters: P members, B batch, S obs, A action.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from td7.agent import make_algorithm
from td7.agent.algorithm import Batch, CriticSide
from td7.config import AlgorithmConfig
from td7.updates.execution import compiled, tensor_products
from td7.updates.optimizer import MemberAdam


class NonFiniteLossError(RuntimeError):
    """A loss became NaN or infinite; the step that it would have spoiled was not taken."""


@dataclass
class StepResult:
    """What one step gives, on the device: nothing of it has been waited for."""

    td_error: Tensor  # [P, B], the larger |TD error| of the two critics
    alive: Tensor  # bool [P]: the members that took the step
    metrics: dict[str, Tensor]  # [P] each


class Learner:
    """Networks, optimisers, targets, checkpoints and values of P members."""

    def __init__(
        self,
        obs_size: int,
        action_size: int,
        seeds: Sequence[int],
        config: AlgorithmConfig,
        *,
        offline: bool = False,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.config, self.seeds = config, list(seeds)
        self.algorithm = make_algorithm(config, offline=offline)
        self.nets = self.algorithm.networks(obs_size, action_size, seeds)
        self.nets.to(device=device, dtype=dtype)
        self.optimizers = {
            name: MemberAdam(list(self.network(name).parameters()), rate)
            for name, rate in self.algorithm.learning_rates.items()
        }
        self._critic_side = compiled(self.algorithm.critic_side, config.execution)
        self._actor_side = compiled(self.algorithm.actor_side, config.execution)
        self.updates = [0] * len(seeds)
        members = torch.ones(len(seeds), device=device, dtype=dtype)
        self.values = {name: start * members for name, start in self.algorithm.values.items()}
        # as the device knows them: the updates made, and the first loss that was not finite, as its
        # place in _losses from 1 and its value
        self._losses: list[str] = []
        self._counts = torch.zeros(len(seeds), device=device, dtype=torch.int64)
        self._failure = torch.zeros_like(self._counts)
        self._failed_loss = 0 * members

    def network(self, name: str) -> nn.Module:
        """Return the network that the algorithm calls so."""
        return self.nets.get_submodule(name)

    @property
    def members(self) -> int:
        """The number of members P."""
        return len(self.updates)

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self._failed_loss.device

    @property
    def dtype(self) -> torch.dtype:
        """The type of weights, batches and noise."""
        return self._failed_loss.dtype

    def per_member(self) -> Tensor:
        """Return zeros [P], on the device."""
        return torch.zeros_like(self._failed_loss)

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
        result = self._critic(batch, noise)
        alive = self._take_critic_step(result, active)
        on_td_error(result.td_error, alive)
        metrics = {f"train/{name}_loss": loss for name, loss in result.losses.items()}
        metrics |= result.metrics
        if with_actor:
            with tensor_products(self.config.precision):
                actor = self._actor_side(self.nets, batch, result.shared, self.algorithm.rules)
            alive = self._still_alive(alive, "actor", actor.loss)
            self.optimizers["actor"].step(actor.gradients, alive)
            metrics["train/actor_loss"] = actor.loss
        self._counts += alive
        return StepResult(result.td_error, alive, metrics)

    def compile(self, batch: Batch, noise: Tensor) -> None:
        """Run what an update of such a batch computes, and change nothing: so it is compiled."""
        shared = self._critic(batch, noise).shared
        with tensor_products(self.config.precision):
            self._actor_side(self.nets, batch, shared, self.algorithm.rules)

    def _critic(self, batch: Batch, noise: Tensor) -> CriticSide:
        with tensor_products(self.config.precision):
            return self._critic_side(self.nets, self.values, batch, noise, self.algorithm.rules)

    def _take_critic_step(self, result: CriticSide, active: Tensor) -> Tensor:
        """Step the critic side's networks and values; return who is alive."""
        alive = active & (self._failure == 0)
        for name, loss in result.losses.items():
            alive = self._still_alive(alive, name, loss)
        for name, gradients in result.gradients.items():
            self.optimizers[name].step(gradients, alive)
        for name, value in result.values.items():
            self.values[name].copy_(torch.where(alive, value, self.values[name]))
        return alive

    def _still_alive(self, alive: Tensor, name: str, loss: Tensor) -> Tensor:
        """Record members [P] whose loss is not finite now, and return the others."""
        if name not in self._losses:
            self._losses.append(name)
        finite = torch.isfinite(loss)
        failed = alive & ~finite
        self._failure.masked_fill_(failed, self._losses.index(name) + 1)
        self._failed_loss.copy_(torch.where(failed, loss, self._failed_loss))
        return alive & finite

    def advance(self, members: Sequence[int]) -> list[int]:
        """Count an update of these members; return those whose targets moved on."""
        for member in members:
            self.updates[member] += 1
        period = self.algorithm.target_period
        if due := [m for m in members if self.updates[m] % period == 0]:
            self._update_targets(due)
        return due

    @torch.no_grad()
    def _update_targets(self, members: Sequence[int]) -> None:
        """Move the targets of these members, in the algorithm's order."""
        due, algorithm = self.alive(members), self.algorithm
        for target, source in algorithm.targets:
            _move_where(due, self.network(source), self.network(target), algorithm.tau)
        for target, source in algorithm.value_targets:
            value = torch.where(due, self.values[source], self.values[target])
            self.values[target].copy_(value)

    def take_failure(self) -> NonFiniteLossError | None:
        """Wait for the device; return the error if a loss was not finite, and forget it.

        The member's count of updates is then that before the one which failed.
        """
        failures = self._failure.tolist()
        if not any(failures):
            return None
        self.updates = self._counts.tolist()
        worst = next(m for m, failure in enumerate(failures) if failure)
        name, value = self._losses[failures[worst] - 1], self._failed_loss[worst].item()
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
        """Make this member's current policy its checkpoint, where the algorithm keeps one."""
        chosen, acting = self.mask([member]), self.algorithm.acting
        for part, network in acting.get("checkpoint", {}).items():
            _move_where(chosen, self.network(acting["current"][part]), self.network(network))

    def policy_weights(self, member: int, which: str) -> dict[str, Tensor]:
        """Copy one member's policy, `checkpoint` or `current`, out to the CPU.

        Raises ValueError for another name, or a checkpoint where the algorithm keeps none.
        """
        acting = self.algorithm.acting
        if which not in acting:
            raise ValueError(f"which must be {' or '.join(map(repr, acting))}, got {which!r}")
        return {
            f"{part}.{name}": _unstack(name, tensor[member])
            for part, network in acting[which].items()
            for name, tensor in self.network(network).state_dict().items()
        }

    def tensors(self) -> dict[str, Tensor]:
        """Name every tensor of the state, each with a leading member axis (not copies)."""
        named = {name: tensor.detach() for name, tensor in self.nets.state_dict().items()}
        for name, optimizer in self.optimizers.items():
            named |= optimizer.tensors(f"{name}_optimizer")
        return named | self.values


@torch.no_grad()
def _move_where(chosen: Tensor, source: nn.Module, target: nn.Module, tau: float = 1.0) -> None:
    """Move the parameters of the chosen members bool [P] by a share tau to the source's."""
    for value, into in zip(source.parameters(), target.parameters(), strict=True):
        shape = (-1, *[1] * (value.dim() - 1))
        moved = value if tau == 1 else tau * value + (1 - tau) * into
        into.copy_(torch.where(chosen.view(shape), moved, into))


def _unstack(name: str, tensor: Tensor) -> Tensor:
    """Copy one member's tensor to the CPU in the layout of `torch.nn.Linear`."""
    tensor = tensor.mT if name.endswith("weight") else tensor
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
