"""A CUDA graph of updates: hundreds of small kernels, launched by one call."""

from __future__ import annotations

from collections.abc import Callable

import torch

WARM_UPS = 2  # calls outside of a graph, which compile and allocate


class PeriodGraph:
    """Runs `work` as a graph; its first calls run it as it is, so no call is lost to the capture.

    `work` must take and leave everything in tensors that stay in place, and wait for nothing.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._stream = torch.cuda.Stream()
        self._graph: torch.cuda.CUDAGraph | None = None
        self._warm_ups = 0
        self._generation = -1

    def launch(self, generation: int) -> None:
        """Do the work once; a new generation of its tensors makes another graph."""
        if generation != self._generation:
            self._generation, self._graph, self._warm_ups = generation, None, 0
        if self._warm_ups < WARM_UPS:
            self._warm_ups += 1
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                self._work()
            torch.cuda.current_stream().wait_stream(self._stream)
            return
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            # another thread may use the device meanwhile
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._work()
        self._graph.replay()
