"""`td7 doctor`: versions, CPU features, GPU, and what is missing."""

from __future__ import annotations

import os
import platform

import torch

from td7.config import TD7Config
from td7.machine import bf16_units, instruction_sets, processor, versions
from td7.replay.place import DEVICE_SHARE, device_bytes, free_bytes
from td7.updates.execution import WORTH_COMPILING, choose_execution

CAPACITY = TD7Config().buffer_capacity
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
    "minari": "data sets (extra: offline)",
    "h5py": "data sets (extra: offline)",
    "huggingface_hub": "downloads of data sets (extra: offline)",
}


def report() -> list[tuple[str, str]]:
    """Return (subject, finding) lines that describe this machine and installation."""
    found = versions("td7", *PACKAGES)
    lines = [("td7", found["td7"]), ("python", platform.python_version())]
    for name, purpose in PACKAGES.items():
        lines.append((name, found.get(name, f"missing: needed for {purpose}")))
    from td7.extension import core

    header, runtime = core.mujoco_versions()
    lines.append(("td7._core", f"built for mujoco {header}, runs with {runtime}"))
    lines.append(
        ("replay", f"uses {core.instruction_set()} of {', '.join(core.instruction_sets())}")
    )
    vectors = ", ".join(instruction_sets()) or "no known vector instruction set"
    lines.append(("cpu", f"{processor()}, {os.cpu_count()} cores, {vectors}"))
    lines.append(("cpu bf16", _bf16()))
    lines.append(("torch threads", str(torch.get_num_threads())))
    if torch.cuda.is_available():
        lines.append(("gpu", torch.cuda.get_device_name()))
    else:
        lines.append(("gpu", "none: --device auto trains on the CPU"))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    lines.append(("updates", f"--execution auto: {_execution(device)}"))
    lines += [("replay of", fits) for fits in _replay_places(device)]
    return lines


def _bf16() -> str:
    """Say whether --precision bf16 is of use on this CPU."""
    units = bf16_units()
    if units is None:
        return "unknown: this system does not list the processor's instructions"
    if units:
        return f"units: {', '.join(units)}"
    return "no units: --precision bf16 is refused on this CPU (float32 is far faster)"


def _execution(device: torch.device) -> str:
    """Say what long runs do, and what they would need for more."""
    chosen = choose_execution("auto", device, "device", WORTH_COMPILING)
    if chosen == "eager":
        return "eager (a C++ compiler would make them faster)"
    if chosen == "graph":
        return "graph"
    return f"{chosen} where {WORTH_COMPILING:,} updates or more are due"


def _replay_places(device: torch.device) -> list[str]:
    """Say how many members' transitions the device holds, and why."""
    free = free_bytes(device)
    lines = []
    for env, sizes in {"HalfCheetah": (17, 6), "Humanoid": (348, 17)}.items():
        need = device_bytes(CAPACITY, *sizes)
        what = f"{env}: {CAPACITY:,} transitions x {need / CAPACITY:.0f} B = {need / 1e9:.2f} GB"
        if free is None:
            lines.append(f"{what} a member, on the host")
        else:
            fit = int(DEVICE_SHARE * free / need)
            lines.append(
                f"{what}; {DEVICE_SHARE:.0%} of {free / 1e9:.1f} GB free hold {fit} members "
                "on the device, more go to the host"
            )
    return lines
