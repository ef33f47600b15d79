"""Names of files and folders that users give, checked before anything is made or opened."""

from __future__ import annotations

import reprlib
from pathlib import Path

MOST_NAME = 255  # bytes of a name and of a path, as Linux's file systems have it
MOST_PATH = 4095
NEW_NAME = 220  # of a file or folder that will be made: files beside it have longer names


def checked_path(path: str | Path, argument: str, most: int = MOST_NAME) -> Path:
    """Return the path; ValueError names the argument where no file can be called so.

    A name is UTF-8 without a zero byte: safetensors opens no other file.
    """
    text = str(path)
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{argument} must be a path in UTF-8, got {reprlib.repr(text)}") from None
    if "\0" in text:
        raise ValueError(f"{argument} must be a path without zero bytes, got {reprlib.repr(text)}")
    longest = max((len(part.encode()) for part in Path(path).parts), default=0)
    if longest > most:
        raise ValueError(
            f"{argument} must have names of at most {most} bytes, got one of {longest}: "
            f"{reprlib.repr(text)}"
        )
    if size > MOST_PATH:
        raise ValueError(
            f"{argument} must be a path of at most {MOST_PATH} bytes, got {size}: "
            f"{reprlib.repr(text)}"
        )
    return Path(path)
