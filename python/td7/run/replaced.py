"""The run that a new one replaces: it stays in run.replaced/ until the new one has been saved.

Every function needs the run folder's lock. config.json moves out first and back last, so that a
kill between two moves never leaves half a run that could be taken for a whole one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from td7.files.whole import sync

ASIDE = "run.replaced"
STATES = ("state", "state.old", "state.partial", "state.torn")
NAMES = (
    "config.json",
    "machine.json",
    "metrics.jsonl",
    "tensorboard",
    "policy",
    "bundle",
    *STATES,
)
POLICY = r"policy/seed-\d+"
WRITTEN = re.compile(
    rf"""(
        (config|machine)\.json | config\.json\.old | metrics\.jsonl
        | tensorboard/seed-\d+/events\.out\.tfevents\.[^/]+
        | {POLICY}(/policy\.(json|safetensors))?
        | state(\.old|\.partial|\.torn)?/(
            (manifest|counters)\.json | (learner|episodes)\.safetensors
            | replay-\d+\.bin(\.rows/[0-9a-f]+)? | {POLICY}/policy\.(json|safetensors)
        )
    )(\.partial)?""",
    re.VERBOSE,
)


def check_only_td7s(folder: Path) -> None:
    """Raise FileExistsError, naming the file, if td7 did not write all that a run's folders hold.

    Other files of the run folder are not looked at: they are never touched.
    """
    for root in (folder, folder / ASIDE):
        for name in NAMES:
            listed = _listed(root / name)
            for path in _files(root / name):
                within = path.relative_to(root).as_posix()
                link = path.is_symlink() and not re.fullmatch(POLICY, within)
                known = WRITTEN.fullmatch(within) or within in listed
                if link or not known:
                    raise FileExistsError(
                        f"{path} is no file that td7 wrote: move it elsewhere, or choose another "
                        "folder than one whose content is to be replaced"
                    )


def set_aside(folder: Path) -> None:
    """Move the run that is in a folder, if there is one, to run.replaced/."""
    if (folder / ASIDE / "config.json").exists():  # a kill cut an earlier replacement short
        replaced_for_good = (folder / "config.json").exists() and any(
            (folder / name).exists() for name in ("state", "state.old")
        )
        if replaced_for_good:
            drop_replaced(folder)
        else:
            put_back(folder)
    if (folder / "config.json.old").exists():  # an earlier td7 was killed while it deleted this run
        if not (folder / "config.json").exists():
            _remove(folder)
        (folder / "config.json.old").unlink()
    if not (folder / "config.json").exists():
        return
    _remove(folder / ASIDE)  # what is left of a run that was being dropped when a kill came
    (folder / ASIDE).mkdir(exist_ok=True)
    for name in NAMES:
        if _is_there(folder / name):
            (folder / name).rename(folder / ASIDE / name)
    sync(folder)


def put_back(folder: Path) -> None:
    """Remove the new run and move the one that it replaced back; nothing if it replaced none."""
    aside = folder / ASIDE
    if not (aside / "config.json").exists():
        return
    if (folder / "config.json").exists():
        _remove(folder)
    for name in reversed(NAMES):
        if _is_there(aside / name):
            (aside / name).rename(folder / name)
    aside.rmdir()
    sync(folder)


def drop_replaced(folder: Path) -> None:
    """Delete the run that was replaced, if there is one."""
    aside = folder / ASIDE
    if (aside / "config.json").exists():
        (aside / "config.json").unlink()  # first: half a run must not be put back
        _remove(aside)
        aside.rmdir()


def _remove(folder: Path) -> None:
    """Delete a run's files, config.json last."""
    for name in reversed(NAMES):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _files(path: Path) -> Iterator[Path]:
    """Yield a file, or all files and links below a folder."""
    if path.is_symlink() or path.is_file():
        yield path
    for root, folders, files in os.walk(path) if not path.is_symlink() else ():
        links = [name for name in folders if Path(root, name).is_symlink()]
        yield from (Path(root, name) for name in (*links, *files))


def _listed(folder: Path) -> set[str]:
    """Return the names, from the folder's parent, of the files in td7's manifest of a folder."""
    path = folder / "manifest.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not str(content["schema"]).startswith("td7."):
            return set()
        names = {"manifest.json", *content["sha256"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()
    return {f"{folder.name}/{name}" for name in names}
