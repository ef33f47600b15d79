"""A group: consecutive members of a run whose updates are made together, as one batch of tensors.

On a CPU a group is one member: then no member waits for another, its bits do not depend on its
company, and what was compiled serves all. On a GPU one member leaves the chip idle.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import torch
import torch._dynamo
from torch import Tensor

from td7.agent.algorithm import Batch
from td7.torch_settings import update_settings
from td7.updates.batches import Batches
from td7.updates.cuda_graph import PeriodGraph
from td7.updates.learner import Learner, NonFiniteLossError
from td7.updates.schedule import burst_schedule
from td7.updates.update_metrics import UpdateMetrics


class Group:
    """Learner, batches and update metrics of some members; makes their bursts.

    `members` are their numbers in the run; everything else here numbers them from 0.
    """

    def __init__(self, learner: Learner, batches: Batches, first: int = 0) -> None:
        self.learner, self.batches = learner, batches
        self.members = range(first, first + learner.members)
        self.metrics = UpdateMetrics()
        self.within_update = False  # stays true where an error cut an update in two
        self._stream: torch.cuda.Stream | None = None
        self._active = learner.mask(range(learner.members))
        self._moved: set[int] = set()  # members whose targets moved in this burst
        self._ready = learner.config.execution != "compiled"
        self._first: tuple[Batch, Tensor] | None = None  # drawn, but not used yet
        self._obs = self._seen = torch.empty(
            0, dtype=learner.dtype
        )  # of the last update; of the last one of each
        config, period = learner.config, learner.algorithm.target_period
        self._graph: PeriodGraph | None = None
        if config.execution == "graph" and period % config.policy_period == 0:
            self._graph = PeriodGraph(self._update_period)

    def train(
        self,
        debts: list[int],
        stopped: Callable[[], bool],
        on_updates: Callable[[Sequence[int], int], None] = lambda members, count: None,
    ) -> None:
        """Make the updates that the members owe, debts [P], and count them off in place.

        A stop between two updates leaves the rest. `on_updates` gets the run's numbers of members
        and how many updates they made. Raises NonFiniteLossError when a loss was not finite: the
        member's state is that before the step which it would have spoiled.
        """
        with update_settings(), self._own_stream():
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
        """Hand out the updates; where batches are on the device, nothing is waited for."""
        learner, period = self.learner, self.learner.config.policy_period
        for members, count in burst_schedule(learner.updates, debts, period):
            self._active.copy_(learner.mask(members))
            left, prepared = count, 0
            while left:
                if stopped():
                    return
                if not prepared:
                    prepared = self.batches.begin(members, left)
                if not self._ready and not self._compile(stopped):
                    return
                self.within_update = True
                if self._graph is not None and self._fits_graph(members, prepared):
                    self._graph.launch(self.batches.generation)
                    made = period
                else:
                    self._update(learner.actor_is_due(members))
                    made = 1
                nobody_failed = self._count(members, made, debts)
                self.within_update = False
                on_updates([self.members[member] for member in members], made)
                left, prepared = left - made, prepared - made
                if not nobody_failed:
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
            assert learner.algorithm.diagnostics is not None
            with torch.no_grad():
                found = learner.algorithm.diagnostics(learner.nets, self._seen)
            self.metrics.put(found, sorted(self._moved))
            self._moved.clear()
        return error

    def _update(self, with_actor: bool) -> None:
        """Make one update of the active members, by tensors alone."""
        batch, noise = self._first or self.batches.next()
        self._first = None
        result = self.learner.step(batch, noise, self._active, with_actor, self.batches.put)
        self.metrics.add(result)
        if self._obs.shape != batch.obs.shape:
            self._obs = torch.empty_like(batch.obs)
        self._obs.copy_(batch.obs)  # in place: a graph that is launched again runs no Python

    def _update_period(self) -> None:
        """Make the updates of one policy period, the last with the actor."""
        period = self.learner.config.policy_period
        for place in range(1, period + 1):
            self._update(with_actor=place == period)

    def _fits_graph(self, members: Sequence[int], prepared: int) -> bool:
        """Whether a whole policy period is prepared and begins now."""
        updates, period = self.learner.updates, self.learner.config.policy_period
        return prepared >= period and all(updates[member] % period == 0 for member in members)

    def _count(self, members: Sequence[int], made: int, debts: list[int]) -> bool:
        """Count updates just made, and move targets that are due; False if a member has failed."""
        nobody_failed = self.batches.settle()
        for _ in range(made):
            if due := self.learner.advance(members):
                self._targets_moved(due)
        for member in members:
            debts[member] -= made
        return nobody_failed

    def _targets_moved(self, members: Sequence[int]) -> None:
        """Do what else happens when the targets of these members have moved."""
        self.batches.reset_max_priority(members)
        if self.learner.algorithm.diagnostics is None:
            return
        chosen = self.learner.mask(members)[:, None, None]
        seen = self._seen if self._moved else torch.zeros_like(self._obs)
        self._seen = torch.where(chosen, self._obs, seen)
        self._moved.update(members)

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

    @contextlib.contextmanager
    def _own_stream(self) -> Iterator[None]:
        """Give a burst a CUDA stream of its own, so that a group that collects need not wait."""
        if self.learner.device.type != "cuda":
            yield
            return
        with torch.cuda.device(self.learner.device):
            if self._stream is None:
                self._stream = torch.cuda.Stream()
            # the stream on which transitions were added
            self._stream.wait_stream(torch.cuda.default_stream())
            try:
                with torch.cuda.stream(self._stream):
                    yield
            finally:  # metrics are read there
                torch.cuda.default_stream().wait_stream(self._stream)
