"""The sum tree of csrc/replay/tree/sum_tree.h for P members at once, in torch: the same bits.

Pure functions on a list of levels, leaves first: level l is float32 [P, nodes, 16], and value i of
a level is the sum of node i of the level below. They add in the order which that header defines,
make no copy to the host, wait for nothing, and can be captured in a CUDA graph. Not here: what the
weights mean.

Shape letters: P members, M members of one call, B slots of each. `members` is int64 [M, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FAN = 16
MAX_WEIGHT = 2.0**96


def make_levels(members: int, max_slots: int, device: torch.device) -> list[Tensor]:
    """Return the levels of a tree of zeros over `max_slots` slots a member."""
    levels, values = [], max_slots
    while True:
        nodes = -(-values // FAN)
        levels.append(torch.zeros(members, nodes, FAN, dtype=torch.float32, device=device))
        if nodes == 1:
            return levels
        values = nodes


def prefix_sums(children: Tensor) -> Tensor:
    """Return the prefix sums float64 [..., 16] of nodes float32 [..., 16]."""
    fours = children.double().unflatten(-1, (4, 4))
    for i in range(1, 4):
        fours[..., i] += fours[..., i - 1]
    for four in range(1, 4):
        fours[..., four, :] += fours[..., four - 1, 3:]
    return fours.flatten(-2)


def draw(levels: Sequence[Tensor], members: Tensor, uniforms: Tensor) -> Tensor:
    """Draw slots int64 [M, B] in proportion to their weights, with replacement.

    uniforms float64 [M, levels, B] in [0, 1), the leaves' first. A member without a weight above 0
    gives slot 0.
    """
    slot = torch.zeros_like(uniforms[:, 0], dtype=torch.int64)
    for level in reversed(range(len(levels))):
        sums = prefix_sums(levels[level][members, slot])
        target = uniforms[:, level] * sums[..., FAN - 1]
        # the last sum is above every target, so this is the first child whose sum is
        child = (sums <= target[..., None]).sum(-1) * (sums[..., FAN - 1] > 0)
        slot = torch.add(child, slot, alpha=FAN)
    return slot


def refresh(levels: Sequence[Tensor], members: Tensor, slots: Tensor) -> None:
    """Recompute all values above the slots int64 [M, B] from their children."""
    for below, level in pairwise(levels):
        slots = slots >> 4
        # equal nodes are computed more than once, to equal values
        level.flatten(1)[members, slots] = prefix_sums(below[members, slots])[..., FAN - 1].float()


def refresh_runs(levels: Sequence[Tensor], member: Tensor, runs: NDArray[np.int64]) -> None:
    """Recompute all values above runs (slot, count) of one member, int64 [1, 1]."""
    nodes = [np.arange(slot >> 4, (slot + count + 15) >> 4) for slot, count in runs.tolist()]
    slots = torch.from_numpy(np.unique(np.concatenate(nodes)) << 4)
    refresh(levels, member, slots[None].to(member.device))


def rebuild(levels: Sequence[Tensor]) -> None:
    """Recompute all values but the leaves."""
    for below, level in pairwise(levels):
        for node, values in zip(below, level.flatten(1), strict=True):
            values[: len(node)] = prefix_sums(node)[..., FAN - 1].float()


def path_probability(levels: Sequence[Tensor], members: Tensor, slots: Tensor) -> Tensor:
    """Return the chance float64 [M, B] that one draw gives each of the slots int64 [M, B]."""
    probability = torch.ones_like(slots, dtype=torch.float64)
    for level in levels:
        sums = prefix_sums(level[members, slots >> 4])
        edges = torch.nn.functional.pad(sums, (1, 0))  # child i lies between edges i and i + 1
        low, high = (edges.gather(-1, (slots[..., None] & 15) + i)[..., 0] for i in (0, 1))
        probability = probability * ((high - low) / sums[..., FAN - 1])
        slots = slots >> 4
    return probability
