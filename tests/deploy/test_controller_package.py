"""The package of csrc/controller as pip installs it, in a project of a user's own."""

import json
import subprocess
from pathlib import Path

import pytest
from controller_bundle import SMALL, policy_of, write_bundle
from test_control_program import bundle_of
from test_controller import BIN, cmake, consumer, run
from test_replay_cpp import ROOT

import td7


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(tmp_path / "bundle", policy_of(SMALL))


def test_a_project_finds_the_package_that_pip_installed(bundle, tmp_path):
    options = [f"-Dtd7_DIR={td7.cmake_dir()}", "-DCMAKE_BUILD_TYPE=Debug"]
    assert consumer(tmp_path / "build", bundle, *options).startswith("native ")


def test_a_project_that_uses_the_library_keeps_its_own_flags(tmp_path):
    """Of a program that includes policy/policy.h itself, td7::policy asks for -ffp-contract=off."""
    command = [BIN / "cmake", "-G", "Ninja", "-S", ROOT / "tests" / "consumer", "-B", tmp_path]
    options = [f"-Dtd7_DIR={td7.cmake_dir()}", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"]
    run([*command, *options, f"-DCMAKE_MAKE_PROGRAM={BIN / 'ninja'}"])
    commands = json.loads((tmp_path / "compile_commands.json").read_text())
    off = {Path(each["file"]).name for each in commands if "-ffp-contract=off" in each["command"]}
    assert {"native_backend.cc", "parity.cc"} <= off and "main.cc" not in off
    assert "CMAKE_HAVE_LIBC_PTHREAD" in (tmp_path / "CMakeCache.txt").read_text()


def test_a_component_that_cannot_be_had_is_named(tmp_path):
    for component, message in [
        ("onnxruntime", "pass -DONNXRUNTIME_INCLUDE_DIR="),
        ("engines", "td7 has no component engines"),
    ]:
        command = [BIN / "cmake", "-S", ROOT / "tests" / "consumer", "-B", tmp_path / component]
        options = [f"-Dtd7_DIR={td7.cmake_dir()}", f"-DBACKENDS={component}", "-G", "Ninja"]
        tools = [f"-DCMAKE_MAKE_PROGRAM={BIN / 'ninja'}"]
        result = subprocess.run([*command, *options, *tools], capture_output=True, text=True)
        assert result.returncode != 0
        assert message in " ".join(result.stderr.split())


def test_the_engine_is_found_beside_the_installed_package(tmp_path):
    """Only configured: building it takes long (the next test)."""
    command = [BIN / "cmake", "-G", "Ninja", "-S", ROOT / "tests" / "consumer", "-B", tmp_path]
    options = [f"-Dtd7_DIR={td7.cmake_dir()}", "-DBACKENDS=engine", "-DCONTROLLER=ON"]
    run([*command, *options, f"-DCMAKE_MAKE_PROGRAM={BIN / 'ninja'}"])


@pytest.mark.long
def test_a_user_s_project_builds_the_program_from_the_installed_package(tmp_path):
    options = [f"-Dtd7_DIR={td7.cmake_dir()}", "-DBACKENDS=engine", "-DCONTROLLER=ON"]
    cmake(ROOT / "tests" / "consumer", tmp_path / "build", *options)
    bundle = bundle_of("HalfCheetah-v5", tmp_path / "bundle")
    run([tmp_path / "build" / "controller", bundle, "--seconds", "0.5"])
