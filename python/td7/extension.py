"""The one door to the C++ extension: it checks that both sides mean the same MuJoCo."""

from __future__ import annotations

import mujoco  # noqa: F401  (first, so that its library is the one that is loaded)

from td7 import _core as core

__all__ = ["core"]

_header, _runtime = core.mujoco_versions()
if _header != _runtime:
    raise ImportError(
        f"td7 was built for MuJoCo {_header} but MuJoCo {_runtime} is installed: "
        "install the mujoco release that td7 pins"
    )
