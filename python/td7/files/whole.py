"""Files that are written whole or not at all, and JSON that is read with suspicion."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import reprlib
from pathlib import Path
from typing import Any

MOST_JSON = 2**26  # bytes


class SchemaError(ValueError):
    """A file is of another format than this td7 reads."""


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_file(path: Path, content: bytes) -> None:
    """Write beside `path`, flush it to the disk and move it into place.

    Raises OSError where it cannot; `path` is then as it was, and nothing lies beside it.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(content)
        sync(partial)
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def write_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all."""
    write_file(path, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())


def read_json(path: Path, schema: str, advice: str = "") -> dict[str, Any]:
    """Return the JSON object of a file with its `schema` checked and left out.

    Raises ValueError, naming the file, where it is missing, no file, larger than 64 MiB, no JSON
    object or of another schema; `advice` is then added.
    """
    try:
        size = path.stat().st_size
        if not path.is_file():  # a pipe would be waited for
            raise ValueError("it is no file")
        if size > MOST_JSON:
            raise ValueError(f"it is larger than {MOST_JSON} bytes")
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
        if not isinstance(content, dict):
            raise ValueError("it is no JSON object")
    except FileNotFoundError:
        raise ValueError(f"{path} is missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} does not parse: {error}") from error
    if (found := content.pop("schema", None)) != schema:
        raise SchemaError(f"{path}: schema must be {schema}, got {reprlib.repr(found)}{advice}")
    return content


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
