"""Networks: SALE's (paper, appendix A: encoder f and g, actor, twin critics), and a plain actor.

The same classes serve training and deployment; only the linear layer differs. Training stacks P
members in the leading axis of every parameter (`member_linear`); a deployed policy uses
`JoinedLinear`. Both take their input in parts, side by side in the last axis.
Shape letters: P members, B batch, S obs, A action, Z embedding, H hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Linear = Callable[[int, int], nn.Module]
DTYPE = torch.float32  # whatever the process's default is: another one would draw other weights


def products(like: Tensor, *, bfloat16: bool) -> torch.autocast:
    """Compute matrix products on the device of `like` in bfloat16, if so asked, within a `with`."""
    kind = like.device.type
    return torch.autocast(kind, torch.bfloat16, enabled=bfloat16, cache_enabled=False)


def avg_l1_norm(x: Tensor, eps: float = 1e-8) -> Tensor:
    """Divide by the mean magnitude over the last axis."""
    return x / x.abs().mean(-1, keepdim=True).clamp(min=eps)


def effective_rank(embedding: Tensor) -> Tensor:
    """Exponential of the entropy of the normalised singular values (Roy and Vetterli, 2007).

    embedding [P, B, Z] -> [P], between 1 (collapsed) and min(B, Z).
    """
    values = torch.linalg.svdvals(embedding)
    share = values / values.sum(-1, keepdim=True)
    return torch.special.entr(share).sum(-1).exp()


class MemberLinear(nn.Module):
    """P independent linear layers (times `copies` within each), one batched matrix product.

    weight [P, *copies, in, out] (the transpose of `torch.nn.Linear`'s: so its gradient comes out of
    the matrix product contiguous, as fused Adam needs it), bias [P, *copies, out]. Initialised as
    `torch.nn.Linear`, each member from its own generator.
    """

    def __init__(
        self,
        in_size: int,
        out_size: int,
        generators: Sequence[torch.Generator],
        copies: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        bound = in_size**-0.5
        weights, biases = [], []
        for generator in generators:
            weight = torch.empty(*copies, in_size, out_size, dtype=DTYPE)
            bias = torch.empty(*copies, out_size, dtype=DTYPE)
            weights.append(weight.uniform_(-bound, bound, generator=generator))
            biases.append(bias.uniform_(-bound, bound, generator=generator))
        self.weight = nn.Parameter(torch.stack(weights))
        self.bias = nn.Parameter(torch.stack(biases))

    def forward(self, *parts: Tensor) -> Tensor:
        """Map parts [P, *copies, B, in_i], their in_i summing to in, to [P, *copies, B, out].

        One product a part: so none is copied, and none that needs no gradient gets one.
        """
        weights = self.weight.flatten(0, -3).split([part.shape[-1] for part in parts], -2)
        out = self.bias.flatten(0, -2).unsqueeze(-2)
        for part, weight in zip(parts, weights, strict=True):
            rows = part.flatten(0, -3)
            if weight.shape[-1] == 1:  # a product of one column is a waste of a matrix unit
                out = out + (rows * weight.mT).sum(-1, keepdim=True)
            else:
                out = out + torch.bmm(rows, weight)
        return out.unflatten(0, self.weight.shape[:-2])


class JoinedLinear(nn.Linear):
    """`torch.nn.Linear` of an input in parts; the weights are to be loaded.

    They are left as they are in memory, so that no global generator is drawn from.
    """

    def __init__(self, in_size: int, out_size: int) -> None:
        super().__init__(in_size, out_size, dtype=DTYPE)

    def forward(self, *parts: Tensor) -> Tensor:
        """Map parts [..., in_i], their in_i summing to in, to [..., out]."""
        return super().forward(torch.cat(parts, -1) if len(parts) > 1 else parts[0])

    def reset_parameters(self) -> None:
        """Leave the parameters as they are."""


def member_linear(generators: Sequence[torch.Generator]) -> Linear:
    """Return the layer constructor that stacks one member for each generator."""
    return lambda in_size, out_size: MemberLinear(in_size, out_size, generators)


class Encoder(nn.Module):
    """State encoder f: obs -> zs, and state-action encoder g: (zs, action) -> zsa (SALE)."""

    def __init__(
        self,
        obs_size: int,
        action_size: int,
        embedding_size: int = 256,
        hidden_size: int = 256,
        linear: Linear = JoinedLinear,
    ) -> None:
        super().__init__()
        self.zs1 = linear(obs_size, hidden_size)
        self.zs2 = linear(hidden_size, hidden_size)
        self.zs3 = linear(hidden_size, embedding_size)
        self.zsa1 = linear(embedding_size + action_size, hidden_size)
        self.zsa2 = linear(hidden_size, hidden_size)
        self.zsa3 = linear(hidden_size, embedding_size)

    def zs(self, obs: Tensor) -> Tensor:
        """Embed observations [..., S] as zs [..., Z]."""
        h = F.elu(self.zs1(obs))
        h = F.elu(self.zs2(h))
        return avg_l1_norm(self.zs3(h))

    def zsa(self, zs: Tensor, action: Tensor) -> Tensor:
        """Embed zs [..., Z] and action [..., A] in [-1, 1] as zsa [..., Z] (not normalised)."""
        h = F.elu(self.zsa1(zs, action))
        h = F.elu(self.zsa2(h))
        return self.zsa3(h)


class Actor(nn.Module):
    """Deterministic policy (obs, zs) -> action in [-1, 1]."""

    def __init__(
        self,
        obs_size: int,
        action_size: int,
        embedding_size: int = 256,
        hidden_size: int = 256,
        linear: Linear = JoinedLinear,
    ) -> None:
        super().__init__()
        self.l0 = linear(obs_size, hidden_size)
        self.l1 = linear(hidden_size + embedding_size, hidden_size)
        self.l2 = linear(hidden_size, hidden_size)
        self.l3 = linear(hidden_size, action_size)

    def forward(self, obs: Tensor, zs: Tensor) -> Tensor:
        """Map obs [..., S] and zs [..., Z] to actions [..., A] in [-1, 1]."""
        h = avg_l1_norm(self.l0(obs))
        h = F.relu(self.l1(h, zs))
        h = F.relu(self.l2(h))
        return torch.tanh(self.l3(h))


class PlainActor(nn.Module):
    """Deterministic policy obs -> action in [-1, 1], without embeddings."""

    def __init__(
        self,
        obs_size: int,
        action_size: int,
        hidden_size: int = 256,
        linear: Linear = JoinedLinear,
    ) -> None:
        super().__init__()
        self.l1 = linear(obs_size, hidden_size)
        self.l2 = linear(hidden_size, hidden_size)
        self.l3 = linear(hidden_size, action_size)

    def forward(self, obs: Tensor) -> Tensor:
        """Map obs [..., S] to actions [..., A] in [-1, 1]."""
        h = F.relu(self.l1(obs))
        h = F.relu(self.l2(h))
        return torch.tanh(self.l3(h))


class Critic(nn.Module):
    """Twin critics (obs, action, zsa, zs) -> Q, stacked in the axis after the members."""

    def __init__(
        self,
        obs_size: int,
        action_size: int,
        embedding_size: int,
        hidden_size: int,
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        self.q0 = MemberLinear(obs_size + action_size, hidden_size, generators, copies=(2,))
        inner = hidden_size + 2 * embedding_size
        self.q1 = MemberLinear(inner, hidden_size, generators, copies=(2,))
        self.q2 = MemberLinear(hidden_size, hidden_size, generators, copies=(2,))
        self.q3 = MemberLinear(hidden_size, 1, generators, copies=(2,))

    def forward(self, obs: Tensor, action: Tensor, zsa: Tensor, zs: Tensor) -> Tensor:
        """Map obs [P, B, S], action [P, B, A], zsa and zs [P, B, Z] to Q [P, 2, B]."""
        h = avg_l1_norm(self.q0(twice(obs), twice(action)))
        h = F.elu(self.q1(h, twice(zsa), twice(zs)))
        h = F.elu(self.q2(h))
        return self.q3(h).squeeze(-1)


def twice(x: Tensor) -> Tensor:
    """Give both critics the same input, [P, B, n] -> [P, 2, B, n]."""
    return x.unsqueeze(1).expand(-1, 2, -1, -1)
