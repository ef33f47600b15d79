"""Where the code of an environment's name lies, so that a later command finds it again.

`FILE.py:CLASS` names a file; `MODULE:NAME` (a Task class, or Gymnasium's `module:Id`) a module.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from td7.envs.task.loading import importable


def code_folder(env: str) -> Path | None:
    """Return the folder that a name's file or module is found in, None where there is none."""
    where, _, _ = env.rpartition(":")
    if not where:
        return None
    if where.endswith(".py"):
        return Path(where).resolve().parent
    if not _imported(where, Path.cwd()):
        return None
    file = getattr(sys.modules.get(where), "__file__", None)
    if file is None:
        return None
    path = Path(file).resolve()
    return (path.parent if path.name == "__init__.py" else path).parents[where.count(".")]


def find_again(env: str, folders: Sequence[Path]) -> str:
    """Return the name under which an environment is found, its code in one of the folders, say.

    A module is imported, from the first folder that has it. Raises ValueError, naming it, for a
    file or module that is nowhere.
    """
    where, _, name = env.rpartition(":")
    if not where:
        return env
    searched = ", ".join(str(folder) for folder in folders) or "no other folder"
    if where.endswith(".py"):
        files = [Path(where), *(folder / Path(where).name for folder in folders)]
        if found := next((file for file in files if file.is_file()), None):
            return f"{found.resolve()}:{name}"
        raise ValueError(
            f"env {env!r}: there is no file {where}, nor one of its name in {searched}: name the "
            "environment with env (--env)"
        )
    present = [folder for folder in folders if _has_module(folder, where)]
    if not _imported(where, present[0] if present else Path.cwd()):
        raise ValueError(
            f"env {env!r}: there is no module {where!r} on Python's path nor in {searched}: name "
            "the environment with env (--env)"
        )
    if present and str(present[0]) not in sys.path:
        sys.path.append(str(present[0]))  # for what the module imports later
    return env


def _has_module(folder: Path, where: str) -> bool:
    path = folder.joinpath(*where.split("."))
    return path.with_name(f"{path.name}.py").is_file() or (path / "__init__.py").is_file()


def _imported(where: str, folder: Path) -> bool:
    """Import a module; False where it or a package of it is missing."""
    try:
        with importable(folder):
            importlib.import_module(where)
    except ModuleNotFoundError as error:
        if f"{where}.".startswith(f"{error.name}."):
            return False
    except (Exception, SystemExit):
        pass  # whoever makes the environment says what the module raised
    return True
