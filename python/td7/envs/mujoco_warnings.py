"""MuJoCo's warnings: collected during a call, and shown after it.

MuJoCo calls the process's warning handler from C, where a Python exception ends the process. So the
handler here is the append of a list: it runs no Python code, and a signal cannot interrupt it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mujoco

_lock = threading.Lock()
_texts: list[str] = []  # not yet given to the collectors
_open: list[list[str]] = []
_handler_before: Any = None
_shown: set[str] = set()


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect MuJoCo's warnings; the list is complete after the block.

    They go neither to the terminal nor to MUJOCO_LOG.TXT. Where threads collect at the same time,
    each gets the warnings of all.
    """
    global _handler_before
    texts: list[str] = []
    with _lock:
        if not _open:
            _handler_before = mujoco.get_mju_user_warning()
            mujoco.set_mju_user_warning(_texts.append)
        _hand_out()
        _open.append(texts)
    try:
        yield texts
    finally:
        with _lock:
            _hand_out()
            _open[:] = [each for each in _open if each is not texts]
            if not _open:
                mujoco.set_mju_user_warning(_handler_before)


@contextmanager
def warnings_to_terminal() -> Iterator[None]:
    """Show MuJoCo's warnings after the block, with no MUJOCO_LOG.TXT.

    They go to the handler that was set before, or, each once a process, to stderr in the form that
    MuJoCo gives them. None becomes a Python warning, as none does in Gymnasium.
    """
    texts: list[str] = []
    try:
        with collected_warnings() as texts:
            yield
    finally:
        handler = mujoco.get_mju_user_warning()
        if handler == _texts.append:  # another thread collects
            handler = _handler_before
        for text in dict.fromkeys(texts):
            if handler is not None:
                handler(text)
            elif text not in _shown and sys.stderr is not None:
                _shown.add(text)
                print(f"WARNING: {text}", file=sys.stderr)


def _hand_out() -> None:
    """Move the texts to every open collector."""
    texts = _texts[:]
    del _texts[: len(texts)]
    for collector in _open:
        collector += [text.strip() for text in texts]
