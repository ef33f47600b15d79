"""Finds a task by name: `my_robot.py:MyTask`, or `package.module:MyTask` where importable."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from td7.envs.simulations import place
from td7.envs.task.definition import Task
from td7.files.path_names import checked_path


def names_task(env: str) -> bool:
    """Return whether an environment's name is a task's: `FILE.py:CLASS`, or that of a Task class.

    Gymnasium's own `module:Name` is imported in the same way, and is none.
    """
    where, _, name = env.rpartition(":")
    if not where or where.endswith(".py") or not name.isidentifier():
        return where.endswith(".py")
    try:
        with importable(Path.cwd()):
            module = importlib.import_module(where)
    except ImportError:
        return False
    except (Exception, SystemExit):
        return True  # load_task says what it is
    return _is_task(getattr(module, name, None))


def absolute_name(env: str) -> str:
    """Return an environment's name with the path of a task's file made absolute."""
    where, _, name = env.rpartition(":")
    return f"{checked_path(where, 'env').resolve()}:{name}" if where.endswith(".py") else env


def checked_task(task: Any) -> Task | type[Task]:
    """Return a Task, or a class of such; raises TypeError for anything else."""
    if isinstance(task, Task) or _is_task(task):
        return task
    raise TypeError(f"env must be a Gymnasium id, a Task or FILE.py:CLASS, got {task!r}")


def _is_task(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Task) and value is not Task


def load_task(name: str) -> type[Task]:
    """Import and return the Task class that `FILE.py:CLASS` or `PACKAGE.MODULE:CLASS` names.

    A file is run anew at each call; modules beside it that it imports are Python's as usual: the
    first of a name stays. Raises ValueError, naming it, for a file, module or class that
    is not there, a module that fails on import, and a class that is no Task.
    """
    where, _, class_name = name.rpartition(":")
    if not where or not class_name.isidentifier():
        raise ValueError(f"task must be FILE.py:CLASS or PACKAGE.MODULE:CLASS, got {name!r}")
    file = Path(where) if where.endswith(".py") else None
    if file and not checked_path(file, "env").is_file():
        raise ValueError(f"task {name!r}: there is no file {file.resolve()}")
    try:
        with importable(file.resolve().parent if file else Path.cwd()):
            module = _run_file(file) if file else importlib.import_module(where)
    except (Exception, SystemExit) as error:
        missing = f"{error.name}." if isinstance(error, ModuleNotFoundError) else "?"
        if f"{where}.".startswith(missing):
            raise ValueError(f"task {name!r}: there is no module {missing[:-1]!r}") from error
        raise ValueError(_failed(where, error)) from error
    task = getattr(module, class_name, None)
    if isinstance(task, type) and _is_task(task):
        return task
    tasks = [each for each, value in vars(module).items() if _is_task(value)]
    what = "no" if task is None else "no Task of that name, but another"
    raise ValueError(
        f"task {name!r}: {where} has {what} {class_name}; its tasks are: {', '.join(tasks) or '-'}"
    )


def _failed(where: str, error: BaseException) -> str:
    return f"{where} failed on import: {type(error).__name__}: {error} ({place(error)})"


def _run_file(path: Path) -> ModuleType:
    path = path.resolve()
    # a name of its own for each path: two robots may both have a task.py
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(f"{path.stem}_{digest}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Let what lies in a folder be imported, as when Python runs a file in it."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
