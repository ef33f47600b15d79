"""TD7's losses as pure functions: tensors in, one value a member out.

Shape letters: P members, B batch, A action, Z embedding. Sources: the paper (arXiv 2306.02451),
its TD3 and TD3+BC ancestors, and LAP (Fujimoto, Meger, Precup, NeurIPS 2020).
"""

from __future__ import annotations

import torch
from torch import Tensor


def encoder_loss(zsa: Tensor, next_zs: Tensor) -> Tensor:
    """Mean squared error of the predicted next embedding, [P, B, Z] x 2 -> [P] (SALE)."""
    return (zsa - next_zs).square().mean((-1, -2))


def target_action(action: Tensor, noise: Tensor, noise_std: float, noise_clip: float) -> Tensor:
    """Smooth the target action with clipped noise; noise is standard normal [P, B, A] (TD3)."""
    return (action + (noise * noise_std).clamp(-noise_clip, noise_clip)).clamp(-1, 1)


def td_target(
    reward: Tensor,
    not_terminated: Tensor,
    next_q: Tensor,
    discount: float,
    min_target: Tensor,
    max_target: Tensor,
) -> Tensor:
    """Bootstrap from the lesser target critic, clipped to the range seen before.

    reward and not_terminated [P, B], next_q [P, 2, B], range [P] -> target [P, B].
    """
    clipped = torch.minimum(torch.maximum(next_q.amin(1), min_target[:, None]), max_target[:, None])
    return reward + discount * not_terminated * clipped


def critic_loss(q: Tensor, target: Tensor, min_priority: float) -> tuple[Tensor, Tensor]:
    """LAP's Huber loss of both critics, summed; q [P, 2, B], target [P, B] -> [P], |d| [P, B].

    The second value is the larger |TD error| of the two critics, LAP's raw priority. As in the
    author's code the linear branch has no offset: the gradient is continuous, the value jumps.
    """
    d = (q - target[:, None]).abs()
    huber = torch.where(d < min_priority, 0.5 * d.square(), min_priority * d)
    return huber.sum(1).mean(-1), d.detach().amax(1)


def actor_loss(q: Tensor) -> Tensor:
    """Negative mean over the batch and both critics, [P, 2, B] -> [P]."""
    return -q.mean((-1, -2))


def behaviour_cloning_loss(q: Tensor, policy_action: Tensor, action: Tensor) -> Tensor:
    """Mean squared distance to the data's actions in units of mean |Q| -> [P] (TD3+BC)."""
    return q.detach().abs().mean((-1, -2)) * cloning_error(policy_action, action)


def cloning_error(policy_action: Tensor, action: Tensor) -> Tensor:
    """Mean squared distance to the data's actions, [P, B, A] x 2 -> [P]: plain cloning."""
    return (policy_action - action).square().mean((-1, -2))
