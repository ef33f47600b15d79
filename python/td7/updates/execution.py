"""How the update's functions are run: as they are, compiled, or (on a GPU) recorded as graphs."""

from __future__ import annotations

import contextlib
import functools
import shutil
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import torch
import torch._dynamo
from torch._inductor.cpu_vec_isa import pick_vec_isa

from td7.config import Execution, Precision, ReplayPlace

F = TypeVar("F", bound=Callable[..., Any])
MOST_SIZES = 256  # of networks that one process compiles
WORTH_COMPILING = 10_000  # updates: compiling takes as long as some thousands of them


def choose_execution(
    wanted: Execution, device: torch.device, replay: ReplayPlace, updates: int
) -> Execution:
    """Return what `auto` means for so many updates on this device; ValueError where it cannot be.

    A GPU runs graphs of compiled functions if the replay is there too. A CPU compiles where a C++
    compiler is there and enough is to be done.
    """
    can_graph = device.type == "cuda" and replay == "device"
    if wanted == "graph" and not can_graph:
        raise ValueError(
            f"execution 'graph' needs a CUDA device and the replay on it, got {device} and a "
            f"replay on the {replay}"
        )
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "graph" if can_graph else "compiled"
    return "compiled" if updates >= WORTH_COMPILING and _has_compiler() else "eager"


def compiled(function: F, execution: Execution) -> F:
    """Return the function as it is to be run; all learners share what was compiled."""
    if execution not in ("compiled", "graph"):
        return function
    as_graph = torch.compile(function, fullgraph=True, dynamic=False, options=_vector_width())

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        # losses and gradients are one graph, with nothing of autograd left at run time; every
        # environment's sizes have code of their own
        with torch._dynamo.config.patch(trace_autograd_ops=True, recompile_limit=MOST_SIZES):
            return as_graph(*args)

    return cast(F, call)


def _vector_width() -> dict[str, Any]:
    """Return the vector width that torch would choose for this CPU, as an option of torch.compile.

    torch keeps its loops, written for one width, in a cache whose key has the options but not the
    CPU: on a CPU of another width it would reuse them and compute wrong numbers.
    """
    return {"cpp.simdlen": pick_vec_isa().bit_width()}


@contextlib.contextmanager
def tensor_products(precision: Precision) -> Iterator[None]:
    """Let float32 products on a GPU run in TF32 if so asked, here alone."""
    if precision != "tf32":
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def _has_compiler() -> bool:
    return any(shutil.which(name) for name in ("c++", "g++", "clang++"))
