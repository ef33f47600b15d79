"""Memory that LapReplay fills and torch reads: a batch of numpy arrays over torch tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from td7.replay.host import Batch


class TensorBatch:
    """Tensors for M members' batches on the CPU, and the arrays of the same memory.

    Fill it with `replay.sample(batch_size, out=batch.arrays)`; what it held before is gone then.
    The memory is pinned where CUDA is there, so that copies to the GPU need not wait.
    """

    def __init__(self, members: int, batch_size: int, obs_size: int, action_size: int) -> None:
        rows = (members, batch_size)
        self.obs = _empty(*rows, obs_size)  # [M, B, S]
        self.action = _empty(*rows, action_size)  # [M, B, A]
        self.reward = _empty(*rows)  # [M, B]
        self.next_obs = _empty(*rows, obs_size)  # [M, B, S]
        self.not_terminated = _empty(*rows)  # [M, B]
        self.index = _empty(*rows, dtype=torch.int64)  # [M, B]
        self.arrays = Batch(
            self.obs.numpy(),
            self.action.numpy(),
            self.reward.numpy(),
            self.next_obs.numpy(),
            self.not_terminated.numpy(),
            self.index.numpy(),
        )


def _empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(shape, dtype=dtype, pin_memory=torch.cuda.is_available())
