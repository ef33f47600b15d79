"""`td7 doctor`: versions, CPU features, GPU, and what is missing."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = {
    "torch": "training",
    "numpy": "training",
    "gymnasium": "environments",
    "mujoco": "environments",
    "safetensors": "run folders",
    "onnx": "export (extra: export)",
    "onnxscript": "export (extra: export)",
    "onnxruntime": "verify (extra: export)",
    "tensorboard": "events (extra: track)",
    "matplotlib": "plots (extra: plot)",
}


def report() -> list[tuple[str, str]]:
    """Return (subject, finding) lines that describe this machine and installation."""
    lines = [("td7", version("td7")), ("python", platform.python_version())]
    for name, purpose in PACKAGES.items():
        try:
            lines.append((name, version(name)))
        except PackageNotFoundError:
            lines.append((name, f"missing: needed for {purpose}"))
    import torch

    from td7.extension import core

    header, runtime = core.mujoco_versions()
    lines.append(("td7._core", f"built for mujoco {header}, runs with {runtime}"))
    lines.append(("cpu", f"{platform.machine()}, {os.cpu_count()} cores, {_instruction_sets()}"))
    lines.append(("torch threads", str(torch.get_num_threads())))
    if torch.cuda.is_available():
        lines.append(("gpu", torch.cuda.get_device_name()))
    else:
        lines.append(("gpu", "none: --device auto trains on the CPU"))
    return lines


def _instruction_sets() -> str:
    """Name the vector instruction sets that the kernel reports (Linux)."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "instruction sets unknown"
    flags = set(text.split())
    known = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")
    return ", ".join(name for name in known if name in flags) or "no vector instruction set"
