"""TD7 reinforcement learning: trained at the speed of the machine, shipped as a verified policy."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from td7.config import RunConfig, TD3Config, TD7Config
    from td7.envs import make_vec
    from td7.policy.saved import Policy, load_policy
    from td7.replay import DeviceLapReplay, LapReplay, TensorBatch
    from td7.training.offline import train_offline
    from td7.training.online import train, train_from
    from td7.training.resume import resume
    from td7.training.session import TrainResult

    __version__: str

__all__ = [
    "DeviceLapReplay",
    "LapReplay",
    "Policy",
    "RunConfig",
    "TD3Config",
    "TD7Config",
    "TensorBatch",
    "TrainResult",
    "__version__",
    "cmake_dir",
    "load_policy",
    "make_vec",
    "resume",
    "train",
    "train_from",
    "train_offline",
]

_HOMES = {
    "DeviceLapReplay": "td7.replay",
    "LapReplay": "td7.replay",
    "Policy": "td7.policy.saved",
    "RunConfig": "td7.config",
    "TD3Config": "td7.config",
    "TD7Config": "td7.config",
    "TensorBatch": "td7.replay",
    "TrainResult": "td7.training.session",
    "load_policy": "td7.policy.saved",
    "make_vec": "td7.envs",
    "resume": "td7.training.resume",
    "train": "td7.training.online",
    "train_from": "td7.training.online",
    "train_offline": "td7.training.offline",
}


def cmake_dir() -> str:
    """Return the folder for CMake's `td7_DIR`: `find_package(td7)` then finds the C++ package.

    Raises FileNotFoundError where td7 was not installed (a bare checkout).
    """
    # beside the extension, wherever the Python files are (an editable installation has two places)
    extension = find_spec("td7._core")
    if extension is None or extension.origin is None:
        raise FileNotFoundError("td7's C++ package is not installed: pip install td7")
    return str(Path(extension.origin).with_name("cmake"))


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that the command line starts at once."""
    if name == "__version__":
        return version("td7")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'td7' has no attribute {name!r}")
