"""A burst: the updates that a group's members owe, dealt out and made one after another."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence

import torch
import torch._dynamo
from torch import Tensor

from td7.agent.learner import Learner, NonFiniteLossError, StepResult, effective_rank
from td7.agent.schedule import burst_schedule
from td7.agent.update import Batch
from td7.torch_settings import update_settings
from td7.training.batches import Batches
from td7.training.graph import PeriodGraph


class UpdateMetrics:
    """Means of each member's update metrics since the last `pop`; of a *_max, the largest.

    They are summed up on the device, where nobody waits for them.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}  # [P] each, and their counts
        self._counts: dict[str, Tensor] = {}

    def add(self, result: StepResult) -> None:
        """Add one update's metrics of the members that took the step."""
        for name, value in result.metrics.items():
            if name not in self._sums:
                self._sums[name] = torch.full_like(value, self._empty(name))
                self._counts[name] = torch.zeros_like(value)
            sums, nothing = self._sums[name], torch.full_like(value, self._empty(name))
            new = torch.where(result.alive, value, nothing)
            torch.maximum(sums, new, out=sums) if name.endswith("_max") else sums.add_(new)
            self._counts[name].add_(result.alive)

    def pop(self, member: int) -> dict[str, float]:
        """Return this member's values and start anew."""
        means = {}
        for name, total in self._sums.items():
            if count := self._counts[name][member].item():
                means[name] = total[member].item() / (1 if name.endswith("_max") else count)
                total[member], self._counts[name][member] = self._empty(name), 0
        return means

    def state(self, member: int) -> dict[str, list[float]]:
        """Return a member's sums and counts, for `restore`."""
        return {
            name: [total[member].item(), self._counts[name][member].item()]
            for name, total in self._sums.items()
            if self._counts[name][member]
        }

    def restore(self, member: int, state: Mapping[str, Sequence[float]], like: Tensor) -> None:
        """Put a member's sums and counts back; like [P] says where and of what type they are."""
        for name, (total, count) in state.items():
            if name not in self._sums:
                self._sums[name] = torch.full_like(like, self._empty(name))
                self._counts[name] = torch.zeros_like(like)
            self._sums[name][member], self._counts[name][member] = total, count

    @staticmethod
    def _empty(name: str) -> float:
        return -math.inf if name.endswith("_max") else 0.0


class Trainer:
    """Pays the debts of one group's members."""

    def __init__(self, learner: Learner, batches: Batches) -> None:
        self.learner, self.batches = learner, batches
        self.metrics = UpdateMetrics()
        self.zs_rank: dict[int, float] = {}  # after a burst in which the member's targets moved
        self.within_update = False  # stays true where an error cut an update in two
        self._active = learner.mask(range(learner.members))
        self._moved: set[int] = set()  # members whose targets moved in this burst
        self._ready = learner.config.execution != "compiled"
        self._first: tuple[Batch, Tensor] | None = None  # drawn, but not used yet
        self._obs = self._seen = torch.empty(0)  # of the last update; of the last one of each
        config = learner.config
        self._graph: PeriodGraph | None = None
        if config.execution == "graph" and config.target_update_period % config.policy_period == 0:
            self._graph = PeriodGraph(self._make_period)

    def train(
        self,
        debts: list[int],
        stopped: Callable[[], bool],
        on_updates: Callable[[Sequence[int], int], None] = lambda members, count: None,
    ) -> None:
        """Pay the debts [P], in place; a stop between two updates leaves the rest owed.

        `on_updates` gets members and how many updates they made. Where the batches are on the
        device the host only hands out work. Raises NonFiniteLossError when a loss was not finite:
        the member's state is that before the step which it would have spoiled.
        """
        with update_settings():
            try:
                self.enqueue(debts, stopped, on_updates)
            finally:
                error = self.settle(debts)
        if error is not None:
            raise error

    def enqueue(
        self,
        debts: list[int],
        stopped: Callable[[], bool],
        on_updates: Callable[[Sequence[int], int], None] = lambda members, count: None,
    ) -> None:
        """Hand out the updates; what is on the device is not waited for."""
        period = self.learner.config.policy_period
        for members, count in burst_schedule(self.learner.updates, debts, period):
            if not self._segment(members, count, debts, stopped, on_updates):
                return

    def settle(self, debts: list[int]) -> NonFiniteLossError | None:
        """Wait for the updates handed out; those after a failure, which is returned, stay owed."""
        learner = self.learner
        handed_out = list(learner.updates)
        error = learner.take_failure()
        for member, count in enumerate(learner.updates):
            debts[member] += handed_out[member] - count
        self.batches.end()
        if self._moved:
            with torch.no_grad():
                zs = learner.nets.fixed_encoder.zs(self._seen).nan_to_num()  # of who has failed
                ranks = effective_rank(zs).tolist()
            self.zs_rank |= {member: ranks[member] for member in self._moved}
            self._moved.clear()
        return error

    def _segment(
        self,
        members: Sequence[int],
        count: int,
        debts: list[int],
        stopped: Callable[[], bool],
        on_updates: Callable[[Sequence[int], int], None],
    ) -> bool:
        """Make `count` updates of these members; False if a stop or a death cut them short."""
        self._active.copy_(self.learner.mask(members))
        prepared = 0
        while count:
            if stopped():
                return False
            if not prepared:
                prepared = self.batches.begin(members, count)
            if not self._ready and not self._compile(stopped):
                return False
            self.within_update = True
            made = self._make(members, prepared)
            all_alive = self.batches.settle()
            for _ in range(made):
                if due := self.learner.advance(members):
                    self._targets_moved(due)
            self.within_update = False
            for member in members:
                debts[member] -= made
            on_updates(members, made)
            count, prepared = count - made, prepared - made
            if not all_alive:
                return False
        return True

    def _compile(self, stopped: Callable[[], bool]) -> bool:
        """Compile updates before one has begun; False if a stop cut that.

        A compiler that was killed may have left half a file in torch's cache: once more without it.
        """
        from torch._inductor.utils import fresh_cache

        batch, noise = self.batches.next()
        for cache in (contextlib.nullcontext(), fresh_cache()):
            try:
                with cache:
                    self.learner.compile(batch, noise)
                self._ready, self._first = True, (batch, noise)
                return True
            except Exception as error:
                torch._dynamo.reset()
                if stopped():
                    return False
                failure = error
        reason = str(failure).partition("\n")[0]
        raise RuntimeError(
            f"updates cannot be compiled ({type(failure).__name__}: {reason}): execution 'eager' "
            "goes without"
        ) from failure

    def _targets_moved(self, members: Sequence[int]) -> None:
        """Do what else happens when the targets of these members have moved on."""
        self.batches.reset_max_priority(members)
        chosen = self.learner.mask(members)[:, None, None]
        seen = self._seen if self._moved else torch.zeros_like(self._obs)
        self._seen = torch.where(chosen, self._obs, seen)
        self._moved.update(members)

    def _make(self, members: Sequence[int], prepared: int) -> int:
        """Make one update, or those of a policy period by its graph; return how many."""
        learner, period = self.learner, self.learner.config.policy_period
        aligned = all(learner.updates[member] % period == 0 for member in members)
        if self._graph is None or not aligned or prepared < period:
            self._make_one(learner.actor_is_due(members))
            return 1
        self._graph.launch(self.batches.generation)
        return period

    def _make_period(self) -> None:
        """Make the updates of one policy period, the last with the actor."""
        period = self.learner.config.policy_period
        for place in range(1, period + 1):
            self._make_one(with_actor=place == period)

    def _make_one(self, with_actor: bool) -> None:
        batch, noise = self._first or self.batches.next()
        self._first = None
        result = self.learner.step(batch, noise, self._active, with_actor, self.batches.put)
        self.metrics.add(result)
        if self._obs.shape != batch.obs.shape:
            self._obs = torch.empty_like(batch.obs)
        self._obs.copy_(batch.obs)  # in place: a graph that is launched again runs no Python
