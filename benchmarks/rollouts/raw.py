"""The limit: recorded episodes replayed by mj_step alone (raw_mj_step.c), compiled on the spot."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from pathlib import Path

import mujoco
import numpy as np

from benchmarks.rollouts.recording import Model, Recording

SOURCE = Path(__file__).with_name("raw_mj_step.c")
FLAGS = ("-std=c11", "-O3", "-DNDEBUG", "-fPIC", "-shared", "-pthread")  # the extension's


class _Episodes(ctypes.Structure):
    _fields_ = (
        ("count", ctypes.c_int64),
        ("first_action", ctypes.c_void_p),
        ("qpos", ctypes.c_void_p),
        ("qvel", ctypes.c_void_p),
        ("action", ctypes.c_void_p),
        ("final_qpos", ctypes.c_void_p),
    )


def compile_raw(folder: Path) -> ctypes.CDLL:
    """Compile the replay against the mujoco package's own library, and load it.

    Raises RuntimeError where there is no compiler ($CC, or cc), or it fails.
    """
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise RuntimeError("the raw replay needs a C compiler: set CC")
    package = Path(mujoco.__file__).parent
    libmujoco = next(path for path in package.glob("libmujoco.*") if path.is_file())
    out = folder / "raw_mj_step.so"
    include, rpath = f"-I{package / 'include'}", f"-Wl,-rpath,{package}"
    command = [compiler, *FLAGS, include, str(SOURCE), str(libmujoco), rpath, "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{SOURCE.name} does not compile: {done.stderr}")
    library = ctypes.CDLL(str(out))
    library.raw_open.restype = ctypes.c_void_p
    library.raw_close.restype = None
    return library


class Raw:
    """The physics of a model on so many threads."""

    def __init__(self, raw_code: ctypes.CDLL, model: Model, num_threads: int) -> None:
        self.raw_code, self.model = raw_code, model
        address = ctypes.c_void_p(model.compiled._address)
        handle = raw_code.raw_open(address, model.frame_skip, num_threads)
        if handle is None:
            raise MemoryError(f"{num_threads} simulations of {model.env} need more memory")
        self.handle = ctypes.c_void_p(handle)

    def replay(self, recording: Recording) -> float:
        """Replay a run's episodes and return the time in seconds; the GIL is released.

        Raises AssertionError where a simulation did not end as in the run, to the bit.
        """
        final_qpos = np.zeros_like(recording.qpos)
        names = [name for name, _ in _Episodes._fields_[1:-1]]
        addresses = [getattr(recording, name).ctypes.data for name in names]
        episodes = _Episodes(len(final_qpos), *addresses, final_qpos.ctypes.data)
        start = time.perf_counter()
        failure = self.raw_code.raw_replay(self.handle, ctypes.byref(episodes))
        wall_s = time.perf_counter() - start
        if failure != 0:
            raise RuntimeError(f"the raw replay's threads could not be started: error {failure}")
        ended = final_qpos[recording.last_episode]
        if (differ := np.flatnonzero((ended != recording.final_qpos).any(1))).size:
            raise AssertionError(
                f"mj_step alone leads elsewhere than the run did, in simulation {differ[0]}"
            )
        return wall_s

    def close(self) -> None:
        """Release the simulations."""
        self.raw_code.raw_close(self.handle)
        self.handle = ctypes.c_void_p(None)
