"""Imitates a processor with fewer instructions in another process, and checks the imitation.

numpy, OpenBLAS, torch and oneDNN choose their code when they are loaded; `environment(kind)` holds
the variables that they read then. In the other process this module is a pytest plugin
(`-p processor_kind`): it chooses td7's instruction set and fails if a library ignored its variable.
"""

import ctypes
import os
from pathlib import Path

import numpy as np

from td7.extension import core

# td7's instruction set: kernels of OpenBLAS, of torch, of oneDNN, highest x86-64 level for numpy
LIBRARIES = {
    "avx512": ("SkylakeX", "avx512", "AVX512_CORE", 4),
    "avx2": ("Zen", "avx2", "AVX2", 3),
    "plain": ("Nehalem", "default", "SSE41", 2),
}
# kernels of OpenBLAS: the instruction set that they need
KERNELS = {
    "SkylakeX": "avx512",
    "Haswell": "avx2",
    "Zen": "avx2",
    "Nehalem": "plain",
    "Prescott": "plain",
}
SAME_KERNELS = {"Haswell": "Zen", "Katmai": "Prescott"}  # OpenBLAS reports either name


def environment(kind):
    """Return the environment variables that hold the libraries to the instruction set `kind`."""
    openblas, torchs, onednn, level = LIBRARIES[kind]
    return {
        "OPENBLAS_CORETYPE": openblas,
        "ATEN_CPU_CAPABILITY": torchs,
        "ONEDNN_MAX_CPU_ISA": onednn,
        "NPY_DISABLE_CPU_FEATURES": " ".join(numpy_features(above=level)),
        "TD7_TEST_KIND": kind,
    }


def numpy_features(above):
    """Return numpy's names of the instructions in use here that are above that x86-64 level."""
    numpys = np._core._multiarray_umath
    return [
        name
        for name in numpys.__cpu_dispatch__
        if numpys.__cpu_features__[name] and _level(name) > above
    ]


def _level(feature):
    """Return a feature's x86-64 level; numpy before 2.4 names single instruction sets."""
    if feature.startswith("X86_V"):
        return int(feature[5:])
    if feature.startswith("AVX512"):
        return 4
    return 3 if feature in ("AVX2", "FMA3", "AVX", "F16C", "FMA4", "XOP") else 2


def openblas_kernels():
    """Return the name of the kernels that numpy's OpenBLAS uses, None if it has another BLAS."""
    maps = Path("/proc/self/maps")  # Linux
    lines = maps.read_text().splitlines() if maps.exists() else []
    files = {line.split()[-1] for line in lines if "openblas" in line.lower()}
    for file in files:
        library = ctypes.CDLL(file)
        for prefix in ("scipy_openblas", "openblas"):
            for suffix in ("64_", ""):
                name = f"{prefix}_get_corename{suffix}"
                if hasattr(library, name):
                    function = getattr(library, name)
                    function.restype = ctypes.c_char_p
                    return function().decode()
    return None


def check_openblas(wanted):
    """Raise RuntimeError unless numpy's OpenBLAS, if it has one, uses these kernels."""
    found = openblas_kernels()
    if found is None:
        return
    if SAME_KERNELS.get(found, found) != SAME_KERNELS.get(wanted, wanted):
        raise RuntimeError(f"OpenBLAS must use the kernels for {wanted}, got those for {found}")


def pytest_configure():
    """Choose td7's instruction set; raise RuntimeError if a library ignored its variable."""
    import torch  # not by whoever needs OpenBLAS's name alone

    kind = os.environ["TD7_TEST_KIND"]
    openblas, torchs, _, level = LIBRARIES[kind]
    check_openblas(openblas)
    found = torch.backends.cpu.get_cpu_capability().lower()
    if found != torchs:
        raise RuntimeError(f"torch must use {torchs}, got {found}")
    if numpy_features(above=level):
        raise RuntimeError(f"numpy must not use {numpy_features(above=level)}, got them")
    core.set_instruction_set(kind)
