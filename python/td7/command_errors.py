"""Errors that end a command with one line, and that line."""

from __future__ import annotations

import re

from safetensors import SafetensorError

ERRORS = (
    ValueError,
    TypeError,
    OSError,
    RuntimeError,
    ImportError,
    MemoryError,
    SafetensorError,
)


def reason(error: Exception) -> str:
    """Return what an error says, without the numbers and traces of the libraries below."""
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    text = str(error).partition("\nException raised from")[0]  # torch's C++ trace
    if found := re.search(r"DefaultCPUAllocator: .*?allocate (\d+) bytes", text):
        return f"there is not enough memory: {int(found[1]) / 1e9:.1f} GB more were needed"
    return text
