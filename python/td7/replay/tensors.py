"""Memory that LapReplay fills and torch reads: a batch of numpy arrays over torch tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from td7.replay.batch import Batch


class TensorBatch:
    """Tensors for M members' batches on the CPU, and the arrays of the same memory.

    The tensors are obs, next_obs [M, B, S]; action [M, B, A]; reward, not_terminated [M, B]; index
    int64 [M, B]; drawn_at int64 [M]; and, if asked for, probability float64 [M, B]. Fill them with
    `replay.sample(batch_size, out=batch.arrays)`, and hand `batch.arrays.index` back to
    `update_priorities`. What they held before is gone then, also for a copy to `device` that is
    still under way. The memory is pinned if `device`, where the batch will go, is a CUDA device.
    """

    def __init__(
        self,
        members: int,
        batch_size: int,
        obs_size: int,
        action_size: int,
        *,
        probability: bool = False,
        device: str | torch.device = "cpu",
    ) -> None:
        pinned = torch.device(device).type == "cuda"

        def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.empty(
                (members, batch_size, *shape), dtype=dtype, device="cpu", pin_memory=pinned
            )

        self.obs = empty(obs_size)  # [M, B, S]
        self.action = empty(action_size)  # [M, B, A]
        self.reward = empty()  # [M, B]
        self.next_obs = empty(obs_size)  # [M, B, S]
        self.not_terminated = empty()  # [M, B]
        self.index = empty(dtype=torch.int64)  # [M, B]
        self.probability = empty(dtype=torch.float64) if probability else None  # [M, B]
        self.drawn_at = torch.empty(members, dtype=torch.int64, device="cpu")  # [M]
        self.arrays = Batch(
            self.obs.numpy(),
            self.action.numpy(),
            self.reward.numpy(),
            self.next_obs.numpy(),
            self.not_terminated.numpy(),
            self.index.numpy(),
            None if self.probability is None else self.probability.numpy(),
            self.drawn_at.numpy(),
        )
