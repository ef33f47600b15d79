"""The one door to the C++ extension: it checks that both sides mean the same MuJoCo."""

from __future__ import annotations

import re
from importlib import metadata

import mujoco  # first, so that its library is the one that is loaded

__all__ = ["core"]


def _pinned_mujoco() -> str:
    """Return the version of mujoco that the installed td7 was built for and requires."""
    try:
        requirements = metadata.requires("td7") or []
    except metadata.PackageNotFoundError:
        requirements = []
    pins = (re.match(r"mujoco\s*==\s*([^\s;]+)", requirement) for requirement in requirements)
    return next((pin[1] for pin in pins if pin), "of its own pin")


try:
    from td7 import _core as core
except ImportError as error:
    # libmujoco's file name has its version in it: with another one the linker finds no library
    if mujoco.__version__ == _pinned_mujoco():
        raise
    raise ImportError(
        f"td7 was built for mujoco {_pinned_mujoco()} but mujoco {mujoco.__version__} is "
        f"installed: install the mujoco release that td7 pins ({error})"
    ) from error

_header, _runtime = core.mujoco_versions()
if _header != _runtime:
    raise ImportError(
        f"td7 was built for MuJoCo {_header} but MuJoCo {_runtime} is installed: "
        "install the mujoco release that td7 pins"
    )
