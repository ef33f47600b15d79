"""The learners of all groups of a run, and their state by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from td7.config import AlgorithmConfig
from td7.updates.learner import Learner


class Learners:
    """A `Learner` for each group of consecutive members; members are numbered through."""

    def __init__(
        self,
        obs_size: int,
        action_size: int,
        seeds: Sequence[int],
        config: AlgorithmConfig,
        *,
        device: str | torch.device,
        group_size: int,
        offline: bool = False,
    ) -> None:
        self.groups = [
            Learner(
                obs_size,
                action_size,
                seeds[first : first + group_size],
                config,
                device=device,
                offline=offline,
            )
            for first in range(0, len(seeds), group_size)
        ]
        self._places = [(group, local) for group in self.groups for local in range(group.members)]

    @property
    def updates(self) -> list[int]:
        """Updates made so far [P]."""
        return [count for group in self.groups for count in group.updates]

    def set_checkpoint(self, member: int) -> None:
        """Make this member's current policy its checkpoint, where the algorithm keeps one."""
        group, local = self._places[member]
        group.set_checkpoint(local)

    def policy_weights(self, member: int, which: str) -> dict[str, Tensor]:
        """Copy one member's policy out to the CPU; see `Learner.policy_weights`."""
        group, local = self._places[member]
        return group.policy_weights(local, which)

    def restart(self, *, new_checkpoints: bool) -> None:
        """Reset the update counts; with `new_checkpoints`, make current policies checkpoints."""
        for group in self.groups:
            group.set_updates([0] * group.members)
        for member in range(len(self._places)) if new_checkpoints else ():
            self.set_checkpoint(member)

    def target_values(self, member: int) -> dict[str, float]:
        """Return the values that this member's targets see, by name."""
        group, local = self._places[member]
        names = [target for target, _ in group.algorithm.value_targets]
        return {name: group.values[name][local].item() for name in names}

    def tensors(self) -> dict[str, Tensor]:
        """Name every tensor of the state, each with a leading axis of all members.

        They are copies where there are several groups.
        """
        parts = [group.tensors() for group in self.groups]
        if len(parts) == 1:
            return parts[0]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def nbytes(self) -> int:
        """Return the bytes of all that `tensors` names."""
        parts = [group.tensors() for group in self.groups]
        return sum(tensor.nbytes for part in parts for tensor in part.values())

    def load(self, tensors: Mapping[str, Tensor], updates: Sequence[int]) -> None:
        """Restore the state named by `tensors()`; every name, shape and dtype must match."""
        mine = self.groups[0].tensors()
        if missing := sorted(mine.keys() ^ tensors.keys()):
            raise ValueError(f"the state and this configuration differ in {missing[0]!r}")
        for name, tensor in mine.items():
            shape = (len(self._places), *tensor.shape[1:])
            if shape != tensors[name].shape or tensor.dtype != tensors[name].dtype:
                raise ValueError(
                    f"{name} must be {tensor.dtype} {list(shape)}, "
                    f"got {tensors[name].dtype} {list(tensors[name].shape)}"
                )
        first = 0
        for group in self.groups:
            rows = slice(first, first + group.members)
            for name, tensor in group.tensors().items():
                tensor.copy_(tensors[name][rows])
            group.set_updates(updates[rows])
            first = rows.stop
