"""The ways to run a bundle's graphs from Python: functions of numpy arrays.

What each of them needs is imported when it is opened. A `.pt2` file is not opened: loading one
unpickles it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from td7.deploy.formats import GRAPH_FILES, Run, run_module
from td7.policy.acting import acts_in_cpp
from td7.policy.module import PolicyModule
from td7.policy.native import NativePolicy

BFLOAT16 = "native-bf16"  # the only way whose weights are rounded


def open_policies(bundle: Path, policy: PolicyModule) -> dict[str, Run]:
    """Open every way to act, obs [n, S] -> actions [n, A]: torch, csrc/policy if it can, files.

    Raises ValueError, naming the file, for one that cannot be opened.
    """
    ways: dict[str, Run] = {"torch": run_module(policy)}
    if acts_in_cpp(policy.parts):
        ways |= {"native": NativePolicy(policy), BFLOAT16: NativePolicy(policy, "bfloat16")}
    return ways | open_files(bundle, "policy")


def open_files(bundle: Path, graph: str) -> dict[str, Run]:
    """Open those of a graph's files that are there, by name; errors as of open_policies."""
    found = {f"{graph}{file.ending}": file.open for file in GRAPH_FILES}
    return {
        name: _opened(bundle / name, opener)
        for name, opener in found.items()
        if opener is not None and (bundle / name).exists()
    }


def _opened(path: Path, opener: Callable[[Path], Run]) -> Run:
    try:
        return opener(path)
    except ImportError as error:
        raise ValueError(f"{path} needs {error.name}: pip install 'td7[export]'") from error
    except Exception as error:  # whatever a runtime raises of a file that it cannot read
        raise ValueError(f"{path} cannot be run: {error}") from error
