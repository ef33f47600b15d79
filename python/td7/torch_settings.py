"""torch's settings of a whole process or thread, which updates and environments may want otherwise.

What environment code changes (gradients off, another default dtype) holds for environment code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

_AUTOCAST = ("cpu", "cuda")


def _set_autocast(enabled: tuple[bool, ...]) -> None:
    for device, value in zip(_AUTOCAST, enabled, strict=True):
        torch.set_autocast_enabled(device, value)


_Setting = tuple[Callable[[], Any], Callable[[Any], Any]]  # how it is read and set
_SETTINGS: dict[str, _Setting] = {
    "gradients": (torch.is_grad_enabled, torch.set_grad_enabled),
    "default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "default device": (torch.get_default_device, torch.set_default_device),
    "autocast": (lambda: tuple(map(torch.is_autocast_enabled, _AUTOCAST)), _set_autocast),
    "threads": (torch.get_num_threads, torch.set_num_threads),
    "deterministic": (
        lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        lambda both: torch.use_deterministic_algorithms(both[0], warn_only=both[1]),
    ),
    "matrix products": (
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
    "anomalies": (
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda both: torch.autograd.set_detect_anomaly(*both),
    ),
}
# what updates need, whoever calls; the rest is the caller's choice. All of it is the thread's own:
# environments may run in another thread meanwhile
_OF_UPDATES = {
    "gradients": True,
    "default device": torch.device("cpu"),
    "autocast": (False, False),
}
_OF_RUNS = _OF_UPDATES | {"default dtype": torch.float32}
_of_environments: dict[str, Any] = {}  # where environment code wants others than the run


@contextmanager
def update_settings() -> Iterator[dict[str, Any]]:
    """Run updates with gradients, the CPU as default device and no autocast.

    Gives the settings that were others; at the end they are set again.
    """
    with _settings(_OF_UPDATES) as before:
        yield before


@contextmanager
def _settings(wanted: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    before = _changed(wanted)
    _set(wanted)
    leaves_inference = torch.is_inference_mode_enabled()
    try:
        with torch.inference_mode(False) if leaves_inference else nullcontext():
            yield before
    finally:
        _set(before)


@contextmanager
def policy_settings() -> Iterator[None]:
    """Run a policy as a run would have it, also amid environment code."""
    with _settings(_OF_RUNS | {"matrix products": "highest"}):
        yield


@contextmanager
def run_settings() -> Iterator[None]:
    """Run everything but environment code as updates need it; environments keep the caller's."""
    kept = dict(_of_environments)
    try:
        with _settings(_OF_RUNS) as before:
            _of_environments.update(before)
            yield
    finally:
        _of_environments.clear()
        _of_environments.update(kept)


@contextmanager
def environment_settings() -> Iterator[None]:
    """Run environment code with the settings that it left behind; set the run's again at the end.

    Costs microseconds: use it for whole episodes, not for every step.
    """
    outside = {name: read() for name, (read, _) in _SETTINGS.items()}
    _set(_of_environments)
    try:
        yield
    finally:
        _of_environments.clear()
        _of_environments.update(
            {name: read() for name, (read, _) in _SETTINGS.items() if read() != outside[name]}
        )
        _set(outside)


def _changed(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are not as wanted."""
    now = {name: _SETTINGS[name][0]() for name in wanted}
    return {name: value for name, value in now.items() if value != wanted[name]}


def _set(wanted: Mapping[str, Any]) -> None:
    for name in _changed(wanted):
        _SETTINGS[name][1](wanted[name])
