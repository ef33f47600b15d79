"""The chip's own limit: how fast torch multiplies matrices of an update's shapes."""

from __future__ import annotations

from time import perf_counter

import torch

SHAPES = ((256, 512, 256), (256, 768, 512), (2048, 256, 256))  # rows, inner, columns
CALLS_S = 0.05


def product_gflop_per_s(device: str, precision: str, members: int) -> float:
    """Return the best rate over the shapes, in 10^9 operations a second.

    Of torch.mm; on a GPU of torch.bmm with twice as many products as members, as critics make.
    """
    batch = 1 if device == "cpu" else 2 * members
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    try:
        return max(_rate((batch, *shape), device, precision) for shape in SHAPES)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def _rate(shape: tuple[int, int, int, int], device: str, precision: str) -> float:
    batch, rows, inner, columns = shape
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    left = torch.rand(batch, rows, inner, device=device).to(dtype)
    right = torch.rand(batch, inner, columns, device=device).to(dtype)
    out = torch.empty(batch, rows, columns, dtype=dtype, device=device)
    product = torch.bmm if batch > 1 else torch.mm
    if batch == 1:
        left, right, out = left[0], right[0], out[0]
    calls = 4
    while True:
        product(left, right, out=out)
        _wait(device)
        start = perf_counter()
        for _ in range(calls):
            product(left, right, out=out)
        _wait(device)
        seconds = perf_counter() - start
        if seconds >= CALLS_S:
            return 2 * batch * rows * inner * columns * calls / seconds / 1e9
        calls *= max(2, round(1.2 * CALLS_S / seconds))


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
