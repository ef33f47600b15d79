"""C++ tests of tasks and random numbers, under Address- and UndefinedBehaviorSanitizer."""

import subprocess
from pathlib import Path

import mujoco
import numpy as np
import pytest
from test_replay_cpp import COMPILER, OPTIONS, ROOT

PROGRAMS = ("test_rollout_generator", "test_rollout_math", "test_rollout_tasks")
NUMPY = Path(np.__file__).parent
MUJOCO = Path(mujoco.__file__).parent
INCLUDES = (f"-I{ROOT / 'csrc'}", f"-I{MUJOCO / 'include'}", f"-I{NUMPY / '_core' / 'include'}")


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """The sources of the tasks, compiled once, and the libraries that they need."""
    if COMPILER is None:
        pytest.skip("no C++ compiler is installed")
    folder = tmp_path_factory.mktemp("objects")
    rollout = ROOT / "csrc" / "rollout"
    sources = [
        rollout / "numpy_generator.cc",
        rollout / "task_args.cc",
        *rollout.glob("tasks/*.cc"),
    ]
    command = [COMPILER, *OPTIONS, *INCLUDES, "-c", *map(str, sources)]
    subprocess.run(command, cwd=folder, check=True)
    (library,) = [*MUJOCO.glob("libmujoco.so.*"), *MUJOCO.glob("libmujoco.*.dylib")]
    numpy_random = NUMPY / "random" / "lib" / "libnpyrandom.a"
    return [*sorted(folder.glob("*.o")), numpy_random, library, f"-Wl,-rpath,{MUJOCO}"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_passes_under_sanitizers(objects, tmp_path, name):
    program = tmp_path / name
    source = ROOT / "tests" / "cpp" / f"{name}.cc"
    command = [COMPILER, *OPTIONS, *INCLUDES, str(source), *map(str, objects)]
    subprocess.run([*command, "-o", str(program)], check=True)
    result = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
