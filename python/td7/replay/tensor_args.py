"""Tensor arguments: taken exactly as they are or refused by name, as csrc/bindings does for numpy.

uniforms must be float64 [2, 8, 3] on cuda:0, got float32 [2, 8, 3] on cpu
"""

from __future__ import annotations

import torch
from torch import Tensor


def check_tensor(
    name: str,
    tensor: Tensor,
    dtype: torch.dtype,
    shape: tuple[int | str, ...],
    device: torch.device,
) -> None:
    """Raise ValueError unless the tensor is so; a letter in `shape` stands for any size."""
    if not isinstance(tensor, Tensor):
        given = type(tensor).__name__
    elif tensor.dtype == dtype and tensor.device == device and _fits(tensor, shape):
        return
    else:
        given = f"{_name(tensor.dtype)} {list(tensor.shape)} on {tensor.device}"
    wanted = f"{_name(dtype)} [{', '.join(map(str, shape))}] on {device}"
    raise ValueError(f"{name} must be {wanted}, got {given}")


def _fits(tensor: Tensor, shape: tuple[int | str, ...]) -> bool:
    pairs = zip(tensor.shape, shape, strict=False)
    return tensor.dim() == len(shape) and all(
        isinstance(wanted, str) or size == wanted for size, wanted in pairs
    )


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
