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
TEXTS = (".md", ".json", ".h")  # files of lines
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
    manifest, differences = compare(folder, schema, advice)
    if differences:
        raise ValueError(next(iter(differences.values())))
    return manifest


def compare(folder: Path, schema: str, advice: str = "") -> tuple[dict[str, Any], dict[str, str]]:
    """Return a folder's manifest, and for each file that differs from it a text that says how.

    The manifest is one of these files. Raises ValueError for a manifest that cannot be read or is
    of another schema, and for a symbolic link.
    """
    manifest = read_json(folder / NAME, schema, advice)
    sums = manifest.get("sha256")
    if not isinstance(sums, dict):
        raise ValueError(f"{folder / NAME}: sha256 must be an object, got {reprlib.repr(sums)}")
    # only plain files that were found here are ever opened: no name leads out of the folder
    found = _files(folder)
    differences = {}
    for name in sorted(found ^ sums.keys()):
        how = "it is not in the manifest" if name in found else "it is missing"
        text = f"{folder}/{_shown(name)}: the folder and its manifest differ in this file: {how}"
        differences[name] = text
    if altered := _alteration(folder / NAME, manifest.get(OWN)):
        differences[NAME] = altered
    for name in (each for each in sums if each in found):
        try:
            check_files(folder, sums, [name])
        except ValueError as error:
            differences[name] = str(error)
    return manifest, differences


def check_files(folder: Path, sums: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raise ValueError, naming it, for a file that is not plain or not of its sum."""
    for name in names:
        path = folder / name
        plain = path.is_file() and not path.is_symlink()
        if not plain or sha256_of(path) != sums.get(name):
            text = path.suffix in TEXTS and plain
            cause = _cause(path, path.read_bytes(), sums.get(name)) if text else ""
            raise ValueError(f"{path} is not as it was written (SHA-256 differs){cause}")


def _alteration(path: Path, own: object) -> str:
    """Return how a manifest's own sum is wrong, or an empty text."""
    if own is None:
        return f"{path}: {OWN} is missing"
    # not read_text, to which other ends of lines are the same
    content = path.read_bytes().decode().replace(_own_field(str(own)), _own_field("")).encode()
    if _sum(content) == own:
        return ""
    return f"{path} is not as it was written ({OWN} differs){_cause(path, content, own)}"


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _cause(path: Path, content: bytes, wanted: object) -> str:
    """Return the likely cause of another sum where the content has it with other ends of lines."""
    if _sum(content.replace(b"\r\n", b"\n")) != wanted:
        return ""
    return (
        ": its lines end in CRLF, with LF it is; git may have converted them (a .gitattributes "
        f"with '{path.name} -text' stops that)"
    )


def _shown(name: str) -> str:
    """Return a name as it can be printed: cut, its control characters escaped."""
    shown = name if len(name) <= 300 else f"{name[:300]}..."
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in shown)


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
