"""What the kernel tells of memory (Linux); None elsewhere."""

from __future__ import annotations

import ctypes
import gc
import os
from pathlib import Path


def resident_bytes() -> int | None:
    """Return this process's resident memory, once freed memory was given back to the kernel."""
    gc.collect()
    try:
        # else what another buffer left would be reused unseen; only glibc has this call
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return None
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGESIZE")


def available_bytes() -> int | None:
    """Return what can be allocated without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    kibibytes = next(line.split()[1] for line in lines if line.startswith("MemAvailable"))
    return int(kibibytes) * 1024
