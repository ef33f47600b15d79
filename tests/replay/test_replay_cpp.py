"""The C++ test programs hold their claims under AddressSanitizer and UndefinedBehaviorSanitizer."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPILER = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
PROGRAMS = (
    "test_kernels",
    "test_philox",
    "test_reserved_memory",
    "test_sum_tree",
    "test_slot_ledger",
    "test_lap_buffer",
    "test_lap_replay",
    "test_device_ledger",
    "fuzz_replay_state",
)
OPTIONS = (
    "-std=c++17 -O1 -g -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -ffp-contract=off "
    "-fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -pthread"
).split()


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """The replay's sources, compiled once."""
    if COMPILER is None:
        pytest.skip("no C++ compiler is installed")
    folder = tmp_path_factory.mktemp("objects")
    sources = [*ROOT.glob("csrc/simd/*.cc"), *ROOT.glob("csrc/replay/**/*.cc")]
    command = [COMPILER, *OPTIONS, "-c", f"-I{ROOT / 'csrc'}", *map(str, sources)]
    subprocess.run(command, cwd=folder, check=True)
    return sorted(folder.glob("*.o"))


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_passes_under_sanitizers(objects, tmp_path, name):
    program = tmp_path / name
    source = ROOT / "tests" / "cpp" / f"{name}.cc"
    command = [COMPILER, *OPTIONS, f"-I{ROOT / 'csrc'}", str(source), *map(str, objects)]
    subprocess.run([*command, "-o", str(program)], check=True)
    result = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
