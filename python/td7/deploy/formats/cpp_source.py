"""A policy as C++ source: its weights compiled in, for `csrc/policy/compiled_policy.h`.

The header includes nothing but <cstdint>. Its words lie as the forward pass reads them
(`csrc/policy/packed_layer.h`), so a controller can leave them in read-only memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from td7.deploy.formats.format import Graph, GraphFile
from td7.policy.acting import acts_in_cpp
from td7.policy.module import PolicyModule
from td7.policy.native import Precision

PANEL = 32  # outputs that lie side by side
LAYERS = "actor.l0 encoder.zs1 encoder.zs2 encoder.zs3 actor.l1 actor.l2 actor.l3".split()
IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*")

Words = NDArray[np.uint32]


def write_cpp(
    policy: PolicyModule, *, name: str = "td7_policy", precision: Precision = "float32"
) -> str:
    """Return the C++17 header that holds a policy's weights as `name::Weights`.

    `precision="bfloat16"` rounds the weights, and only them: half the memory. Raises ValueError for
    a name that is no C++ namespace, an unknown precision or weights that are not finite.
    """
    if not IDENTIFIER.fullmatch(name):
        raise ValueError(f"name must be a C++ identifier such as td7_policy, got {name!r}")
    if precision not in ("float32", "bfloat16"):
        raise ValueError(f"precision must be float32 or bfloat16, got {precision!r}")
    if not acts_in_cpp(policy.parts):
        raise ValueError("policy must have an encoder: csrc/policy computes no actor alone")
    entries = {key: value.numpy() for key, value in policy.state_dict().items()}
    if odd := [key for key, value in entries.items() if not np.isfinite(value).all()]:
        raise ValueError(f"{odd[0]} must be finite, got NaN or infinity")
    packed = np.concatenate(
        [_packed(entries[f"{n}.weight"], entries[f"{n}.bias"], precision) for n in LAYERS]
    )
    floats = precision == "float32"
    words = map(_float, packed.view(np.float32)) if floats else map(_hexadecimal, packed)
    sizes = {
        "kObs": policy.obs_size,
        "kAction": policy.action_size,
        "kEmbedding": len(entries["encoder.zs3.bias"]),
        "kEncoderHidden": len(entries["encoder.zs1.bias"]),
        "kActorHidden": len(entries["actor.l0.bias"]),
        "kWeightBits": 32 if floats else 16,
    }
    bounds = {f"k{key.capitalize()}": map(_float, entries[key]) for key in ("low", "high")}
    word = "float" if floats else "std::uint32_t"
    return _header(name, sizes, bounds, f"{word} kWords[{packed.size}]", words)


def _header(
    name: str,
    sizes: Mapping[str, int],
    bounds: Mapping[str, Iterator[str]],
    declared: str,
    words: Iterator[str],
) -> str:
    numbers = "\n".join(f"  static constexpr int {key} = {size};" for key, size in sizes.items())
    arrays = "\n".join(
        f"  static constexpr float {key}[kAction] = {{\n{_lines(values)}\n  }};"
        for key, values in bounds.items()
    )
    guard = f"{name.upper()}_WEIGHTS_H_"
    return f"""\
// A TD7 policy's weights, written by td7: use it with td7/policy/compiled_policy.h.
//
//   static td7::CompiledPolicy<{name}::Weights> policy;
//   policy.Act(obs, action);  // obs [{sizes["kObs"]}], action [{sizes["kAction"]}]
#ifndef {guard}
#define {guard}

#include <cstdint>

namespace {name} {{

struct Weights {{
{numbers}
{arrays}
  alignas(64) static constexpr {declared} = {{
{_lines(words)}
  }};
}};

}}  // namespace {name}

#endif  // {guard}
"""


def _packed(weight: NDArray[np.float32], bias: NDArray[np.float32], precision: Precision) -> Words:
    """Lay out weight [outputs, inputs] and bias [outputs] in panels of 32 outputs."""
    outputs, inputs = weight.shape
    panels = -(-outputs // PANEL)
    padded = np.zeros((panels * PANEL, inputs), np.float32)
    padded[:outputs] = weight
    biases = np.zeros(panels * PANEL, np.float32)
    biases[:outputs] = bias
    columns = padded.reshape(panels, PANEL, inputs).transpose(0, 2, 1)
    words = np.ascontiguousarray(columns).view(np.uint32)
    if precision == "bfloat16":
        halves = _bfloat16(words)
        words = halves[..., :16] | halves[..., 16:] << np.uint32(16)
    panel = [biases.view(np.uint32).reshape(panels, PANEL), words.reshape(panels, -1)]
    return np.concatenate(panel, 1).ravel()


def _bfloat16(bits: Words) -> Words:
    """Return the upper halves of finite numbers, rounded to the nearest with ties to even."""
    half, one, shift = np.uint32(0x7FFF), np.uint32(1), np.uint32(16)
    return (bits + half + (bits >> shift & one)) >> shift


def _float(value: np.float32) -> str:
    return f"{value!s}F"  # the shortest decimal that reads back as the same float


def _hexadecimal(word: np.uint32) -> str:
    return f"0x{word:08X}"


def _lines(numbers: Iterator[str]) -> str:
    """Return numbers in lines of eight, each number followed by a comma."""
    texts = list(numbers)
    rows = (texts[i : i + 8] for i in range(0, len(texts), 8))
    return "\n".join(f"      {', '.join(row)}," for row in rows)


def _write(graph: Graph, path: Path) -> None:
    assert isinstance(graph.module, PolicyModule)
    path.write_text(write_cpp(graph.module))


FILES = (
    GraphFile(
        ".h",
        "as a C++ header with the weights in it; only its sum is checked",
        _write,
        policy_only=True,
    ),
)
