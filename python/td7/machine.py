"""This machine, the versions in use and the command: what a figure has to be read with."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# the instructions that multiply bfloat16 matrices, as Linux names them on x86-64 and on arm64
BF16_UNITS = ("avx512_bf16", "amx_bf16", "bf16", "svebf16")
INSTRUCTION_SETS = ("avx2", "avx512f", "asimd", "sve", *BF16_UNITS)


def describe_machine() -> dict[str, Any]:
    """Return {machine, versions, command} as JSON content."""
    import torch

    return {
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        "versions": {"python": platform.python_version()}
        | versions("td7", "torch", "numpy", "gymnasium", "mujoco"),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def versions(*names: str) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """Name the processor's model as the kernel does (Linux), else its architecture."""
    for line in _cpuinfo().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def instruction_sets() -> list[str]:
    """Name the vector instruction sets that the kernel reports (Linux)."""
    flags = set(_cpuinfo().split())
    return [name for name in INSTRUCTION_SETS if name in flags]


def bf16_units() -> list[str] | None:
    """Name the processor's instructions for bfloat16 matrices; None where the kernel lists none.

    Only Linux lists instructions. Without these, torch emulates bfloat16 products, far slower than
    float32.
    """
    words = set(_cpuinfo().split())
    if words.isdisjoint(("flags", "Features")):  # the line's name on x86-64, on arm64
        return None
    return [name for name in BF16_UNITS if name in words]


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
