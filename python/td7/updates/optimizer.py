"""Adam with the member axis: each member has its own step count.

Not a `torch.optim.Optimizer`: those keep one step per tensor, while members of one tensor may have
been updated a different number of times. The arithmetic is torch's own fused Adam.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam


class MemberAdam:
    """Adam (beta .9/.999, eps 1e-8) over parameters with a leading member axis."""

    def __init__(self, parameters: Sequence[Tensor], lr: float) -> None:
        self.lr = lr
        self.parameters = list(parameters)
        self.exp_avg = [torch.zeros_like(p) for p in self.parameters]
        self.exp_avg_sq = [torch.zeros_like(p) for p in self.parameters]
        # every tensor has a step count of its own: the kernel advances each of them
        members, device = self.parameters[0].shape[0], self.parameters[0].device
        self.steps = torch.zeros(members, len(self.parameters), dtype=torch.float32, device=device)
        self._step_rows = [list(row) for row in self.steps.unbind(0)]
        state = ([p.detach() for p in self.parameters], self.exp_avg, self.exp_avg_sq)
        self._rows = [_member_rows(tensors) for tensors in state]

    def step(self, gradients: Sequence[Tensor], active: Tensor) -> None:
        """Step the members that are `active` bool [P]; the others keep every bit.

        Nothing is read back from the device: what masks a member is the kernel's own switch for
        gradients that overflowed.
        """
        assert all(g.is_contiguous() for g in gradients), "fused Adam reads memory in order"
        masked = (~active).float()
        rows = _member_rows(gradients)
        for member, (parameter, exp_avg, exp_avg_sq) in enumerate(zip(*self._rows, strict=True)):
            adam(
                parameter,
                rows[member],
                exp_avg,
                exp_avg_sq,
                [],
                self._step_rows[member],
                found_inf=masked[member],
                fused=True,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=self.lr,
                weight_decay=0.0,
                eps=1e-8,
                maximize=False,
            )

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """Name the optimiser's own state, every tensor with a leading member axis."""
        named = {f"{prefix}.steps": self.steps}
        for index, (avg, avg_sq) in enumerate(zip(self.exp_avg, self.exp_avg_sq, strict=True)):
            named[f"{prefix}.exp_avg.{index}"] = avg
            named[f"{prefix}.exp_avg_sq.{index}"] = avg_sq
        return named


def _member_rows(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """Return each member's views of the tensors."""
    return [list(row) for row in zip(*(tensor.unbind(0) for tensor in tensors), strict=True)]
