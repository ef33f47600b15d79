"""The package as installed: one version, one libmujoco, a command line that answers at once."""

import importlib.metadata
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import mujoco
import pytest

import td7
from td7 import _core

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pin_of(name: str, requirements: list[str]) -> str:
    """Returns the one exact version that `requirements` gives to the distribution `name`."""
    pins = [match[1] for r in requirements if (match := re.match(rf"{name}\s*==\s*([^\s;]+)", r))]
    assert len(pins) == 1, f"{name} should be pinned once in {requirements}"
    return pins[0]


def test_the_version_is_written_down_once():
    version = PYPROJECT["project"]["version"]
    assert td7.__version__ == importlib.metadata.version("td7") == version
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()
    copies = [ROOT / "CMakeLists.txt", *ROOT.glob("python/td7/**/*.py"), *ROOT.glob("csrc/**/*.cc")]
    assert [path for path in copies if f'"{version}"' in path.read_text()] == []


def test_headers_and_library_of_mujoco_are_of_one_version():
    header, runtime = _core.mujoco_versions()
    assert header == runtime == mujoco.mj_version()


def test_mujoco_has_one_pin_for_building_and_running():
    build = pin_of("mujoco", PYPROJECT["build-system"]["requires"])
    run = pin_of("mujoco", importlib.metadata.requires("td7") or [])
    constraint = pin_of("mujoco", (ROOT / "constraints.txt").read_text().splitlines())
    assert build == run == constraint == importlib.metadata.version("mujoco")


def test_the_command_line_does_not_import_torch():
    loaded = "import sys, td7.cli; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize(("arguments", "wanted"), [((), "train"), (("train",), "--discount")])
def test_help_answers_within_a_second(arguments, wanted):
    command = [Path(sys.executable).with_name("td7"), *arguments, "--help"]
    seconds = []
    for _ in range(3):  # the best of three: other work on the machine only adds time
        start = time.perf_counter()
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        seconds.append(time.perf_counter() - start)
        assert wanted in text
    assert min(seconds) < 1.0, f"td7 --help took {seconds} s"
