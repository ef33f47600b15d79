"""The replay buffers that are timed side by side, each behind the same few calls.

A peer's module is imported only when it is to be timed: none of them needs to be installed.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

from benchmarks.peers.subject import Subject
from benchmarks.transitions import Case

NAMES = ("tianshou", "cpprb", "torchrl", "stable-baselines3", "author")

Build = Callable[[Case], Subject]


def load(name: str, author_code: Path | None) -> Build:
    """Return what builds the named peer's buffer; ImportError says why there is none."""
    if name == "author":
        from benchmarks.peers.author import load_author

        if author_code is None:
            raise ImportError("no --author-code was given")
        return load_author(author_code)
    try:
        module = import_module(f"benchmarks.peers.{name.replace('-', '_')}")
    except ModuleNotFoundError as error:
        raise ImportError(f"not installed: {error}") from error
    return cast(Build, module.Peer)
