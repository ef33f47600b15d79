"""The sum tree of csrc/replay/sum_tree.h for P members at once, in torch: the same bits.

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
        levels.append(torch.zeros(members, nodes, FAN, device=device))
        if nodes == 1:
            return levels
        values = nodes


def node_totals(children: Tensor) -> Tensor:
    """Return the totals float64 [...] of nodes float32 [..., 16]."""
    total = children.double()
    for _ in range(4):
        total = total[..., 0::2] + total[..., 1::2]
    return total[..., 0]


def prefix_sums(children: Tensor, scratch: Tensor) -> Tensor:
    """Return the prefix sums float64 [..., 2, 8] of nodes float32 [..., 16], a half a row.

    `scratch` float64 [2, ..., 2, 16] holds them; its first eight columns must be 0 and stay so,
    which saves a step the test whether there is a value to the left.
    """
    here, there = scratch.unbind(0)
    here[..., 8:] = children.unflatten(-1, (2, 8))
    for step in (1, 2, 4):
        torch.add(here[..., 8:], here[..., 8 - step : 16 - step], out=there[..., 8:])
        here, there = there, here
    sums = here[..., 8:]
    sums[..., 1, :] += sums[..., 0, 7:]
    return sums


def make_scratch(nodes: Sequence[int], device: torch.device) -> Tensor:
    """Return what `prefix_sums` needs for nodes [*nodes, 16]."""
    return torch.zeros(2, *nodes, 2, 16, dtype=torch.float64, device=device)


def draw(levels: Sequence[Tensor], members: Tensor, uniforms: Tensor) -> Tensor:
    """Draw slots int64 [M, B] in proportion to their weights, with replacement.

    uniforms float64 [M, B, levels] in [0, 1), the root's first. Every member has a weight above 0.
    """
    scratch = make_scratch(uniforms.shape[:2], uniforms.device)
    rank = torch.arange(FAN, 0, -1, device=uniforms.device).view(2, 8)
    negative = -rank
    slot = torch.zeros(uniforms.shape[:2], dtype=torch.int64, device=uniforms.device)
    for depth, level in enumerate(reversed(levels)):
        children = level[members, slot]
        sums = prefix_sums(children, scratch)
        target = uniforms[..., depth] * sums[..., 1, 7]
        # child i has the rank 16 - i if its sum exceeds the target and its negative if not: the
        # largest is that of the first such child, or else of the last one
        found = torch.where(sums > target[..., None, None], rank, negative)
        above_zero = children.unflatten(-1, (2, 8)) > 0
        best = torch.where(above_zero, found, -FAN - 1).amax((-1, -2))
        slot = torch.add(FAN - best.abs(), slot, alpha=FAN)
    return slot


def refresh(levels: Sequence[Tensor], members: Tensor, slots: Tensor) -> None:
    """Recompute all values above the slots int64 [M, B] from their children."""
    for below, level in pairwise(levels):
        slots = slots >> 4
        # equal nodes are computed more than once, to equal values
        level.flatten(1)[members, slots] = node_totals(below[members, slots]).float()


def refresh_runs(levels: Sequence[Tensor], member: Tensor, runs: NDArray[np.int64]) -> None:
    """Recompute all values above runs (slot, count) of one member, int64 [1, 1]."""
    nodes = [np.arange(slot >> 4, (slot + count + 15) >> 4) for slot, count in runs.tolist()]
    slots = torch.from_numpy(np.unique(np.concatenate(nodes)) << 4)
    refresh(levels, member, slots[None].to(member.device))


def rebuild(levels: Sequence[Tensor]) -> None:
    """Recompute all values but the leaves."""
    for below, level in pairwise(levels):
        for node, values in zip(below, level.flatten(1), strict=True):
            values[: len(node)] = node_totals(node).float()


def path_probability(levels: Sequence[Tensor], members: Tensor, slots: Tensor) -> Tensor:
    """Return the chance float64 [M, B] that one draw gives each of the slots int64 [M, B]."""
    scratch = make_scratch(slots.shape, slots.device)
    probability = torch.ones(slots.shape, dtype=torch.float64, device=slots.device)
    for level in levels:
        children = level[members, slots >> 4]
        probability = probability * _child_share(children, slots & 15, scratch)
        slots = slots >> 4
    return probability


def _child_share(children: Tensor, child: Tensor, scratch: Tensor) -> Tensor:
    """Return the share [M, B] of a node's draws that go to one of its children [M, B, 16]."""
    sums = prefix_sums(children, scratch).flatten(-2)
    above_zero = children > 0
    place = torch.arange(FAN, device=children.device)
    child = child[..., None]
    low = torch.where(above_zero & (place < child), sums, 0.0).amax(-1)
    last = torch.where(above_zero, place, -1).amax(-1, keepdim=True)
    total = sums[..., FAN - 1 :]
    high = torch.where(child == last, total, torch.minimum(sums.gather(-1, child), total))
    share = (high[..., 0] - low).clamp(min=0.0) / total[..., 0]
    return torch.where(above_zero.gather(-1, child)[..., 0], share, 0.0)
