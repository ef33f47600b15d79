"""manifest.json: what a folder holds, and the SHA-256 of every file in it.

Its last field, `manifest_sha256`, is the sum of its own bytes with that field's digits left out.
The sums tell what is torn, missing or altered by accident; who can alter a file can alter them too.
"""

from __future__ import annotations

import hashlib
import json
import os
import reprlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from td7.files.whole import read_json, sha256_of, write_file

NAME = "manifest.json"
OWN = "manifest_sha256"
NOTHING: Mapping[str, str] = MappingProxyType({})


def write_manifest(
    folder: Path, schema: str, *, known: Mapping[str, str] = NOTHING, **facts: Any
) -> None:
    """Write the manifest of all files in a folder; of those in `known` the sum is taken as told."""
    sums = {name: known.get(name) or sha256_of(folder / name) for name in sorted(_files(folder))}
    content = {"schema": schema, **facts, "sha256": sums, OWN: ""}
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    own = hashlib.sha256(text.encode()).hexdigest()
    head, _, tail = text.rpartition(_own_field(""))
    write_file(folder / NAME, f"{head}{_own_field(own)}{tail}".encode())


def read_manifest(folder: Path, schema: str, advice: str = "") -> dict[str, Any]:
    """Return a folder's manifest once each file in it is as it was written.

    Raises ValueError, naming the file that is missing, extra or altered; `advice` is added where
    the schema is another one.
    """
    manifest = read_json(folder / NAME, schema, advice)
    sums = manifest.get("sha256")
    if not isinstance(sums, dict):
        raise ValueError(f"{folder / NAME}: sha256 must be an object, got {reprlib.repr(sums)}")
    # only plain files that were found here are ever opened: no name leads out of the folder
    if odd := sorted(_files(folder) ^ sums.keys()):
        raise ValueError(f"{folder}/{odd[0]:.300}: the folder and its manifest differ in this file")
    if OWN not in manifest:
        raise ValueError(f"{folder / NAME}: {OWN} is missing")
    own = _own_field(str(manifest[OWN]))
    # not read_text, to which other ends of lines are the same
    blank = (folder / NAME).read_bytes().decode().replace(own, _own_field(""))
    if hashlib.sha256(blank.encode()).hexdigest() != manifest.get(OWN):
        raise ValueError(f"{folder / NAME} is not as it was written ({OWN} differs)")
    check_files(folder, sums, sums)
    return manifest


def check_files(folder: Path, sums: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raise ValueError, naming it, for a file that is not plain or not of its sum."""
    for name in names:
        path = folder / name
        plain = path.is_file() and not path.is_symlink()
        if not plain or sha256_of(path) != sums.get(name):
            raise ValueError(f"{path} is not as it was written (SHA-256 differs)")


def _own_field(digits: str) -> str:
    return f'"{OWN}": "{digits}"'


def _files(folder: Path) -> set[str]:
    """Return the names of all files below a folder, relative to it, without the manifest.

    Raises ValueError for a symbolic link, which might lead anywhere.
    """
    names = set()
    for root, folders, files in os.walk(folder):
        for path in (Path(root, name) for name in (*folders, *files)):
            if path.is_symlink():
                raise ValueError(f"{path} is a symbolic link")
        names |= {Path(root, name).relative_to(folder).as_posix() for name in files}
    return names - {NAME}
