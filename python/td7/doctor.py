"""`td7 doctor`: versions, CPU features, GPU, and what is missing."""

from __future__ import annotations

import os
import platform

from td7.machine import instruction_sets, processor, versions

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
    found = versions("td7", *PACKAGES)
    lines = [("td7", found["td7"]), ("python", platform.python_version())]
    for name, purpose in PACKAGES.items():
        lines.append((name, found.get(name, f"missing: needed for {purpose}")))
    import torch

    from td7.extension import core

    header, runtime = core.mujoco_versions()
    lines.append(("td7._core", f"built for mujoco {header}, runs with {runtime}"))
    lines.append(
        ("replay", f"uses {core.instruction_set()} of {', '.join(core.instruction_sets())}")
    )
    vectors = ", ".join(instruction_sets()) or "no known vector instruction set"
    lines.append(("cpu", f"{processor()}, {os.cpu_count()} cores, {vectors}"))
    lines.append(("torch threads", str(torch.get_num_threads())))
    if torch.cuda.is_available():
        lines.append(("gpu", torch.cuda.get_device_name()))
    else:
        lines.append(("gpu", "none: --device auto trains on the CPU"))
    return lines
