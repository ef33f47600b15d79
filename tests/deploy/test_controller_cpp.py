"""Parts of csrc/controller and csrc/policy by themselves, and weights that are compiled in."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from controller_bundle import SMALL, policy_of, vectors_of
from test_controller import run
from test_replay_cpp import COMPILER, OPTIONS, ROOT

from td7.deploy.formats.cpp_source import write_cpp
from td7.policy.native import NativePolicy

GUARDED = "controller/guards bundle/whole_file".split()
LOOP = (
    "controller/guards controller/control_loop controller/loop_clock programs/allocations".split()
)
LOG = "controller/guards controller/run_log bundle/json".split()


@pytest.mark.parametrize(
    ("name", "parts"),
    [("test_control_guards", GUARDED), ("test_control_loop", LOOP), ("test_run_log", LOG)],
)
def test_program_passes_under_sanitizers(tmp_path, name, parts):
    if COMPILER is None:
        pytest.skip("no C++ compiler is installed")
    sources = [ROOT / "csrc" / f"{part}.cc" for part in parts]
    source = ROOT / "tests" / "cpp" / f"{name}.cc"
    options = [*OPTIONS, "-O0", f"-I{ROOT / 'csrc'}"]  # optimised, they compile three times as long
    run([COMPILER, *options, source, *sources, "-o", tmp_path / name])
    run([tmp_path / name])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc's malloc is replaced")
def test_allocations_of_libraries_are_counted(tmp_path):
    """Without sanitizers, which have a malloc of their own, and with symbols hidden."""
    if COMPILER is None:
        pytest.skip("no C++ compiler is installed")
    sources = ["tests/cpp/test_allocations.cc", "csrc/programs/allocations.cc"]
    flags = ["-std=c++17", "-O1", "-fvisibility=hidden", f"-I{ROOT / 'csrc'}"]
    run([COMPILER, *flags, *(ROOT / source for source in sources), "-o", tmp_path / "program"])
    run([tmp_path / "program"])


@pytest.mark.parametrize(
    "source",
    [
        "controller/guards.cc",
        "runtimes/parity.cc",
        "bundle/safetensors.cc",
        "policy/policy.h",
    ],
)
def test_what_must_tell_nan_does_not_compile_where_the_compiler_takes_none_to_exist(source):
    if COMPILER is None:
        pytest.skip("no C++ compiler is installed")
    command = [COMPILER, "-std=c++17", "-fsyntax-only", f"-I{ROOT / 'csrc'}", "-x", "c++"]
    run([*command, ROOT / "csrc" / source])
    for option in ("-ffinite-math-only", "-ffast-math"):
        result = subprocess.run(
            [*command, option, ROOT / "csrc" / source], capture_output=True, text=True, check=False
        )
        assert result.returncode != 0 and "-ffinite-math-only" in result.stderr


BARE = """
#include <cstdio>
#include "policy/compiled_policy.h"
#include "float32.h"
#include "bfloat16.h"
static td7::CompiledPolicy<float32::Weights> first;
static td7::CompiledPolicy<bfloat16::Weights> second;
int main() {
  float obs[first.kSizes.obs], action[first.kSizes.action];
  while (std::fread(obs, sizeof obs, 1, stdin) == 1) {
    first.Act(obs, action);
    std::fwrite(action, sizeof action, 1, stdout);
    second.Act(obs, action);
    std::fwrite(action, sizeof action, 1, stdout);
  }
}
"""


def test_compiled_in_weights_act_to_the_bit_without_exceptions_rtti_or_heap(tmp_path):
    if COMPILER is None:
        pytest.skip("no C++ compiler is installed")
    policy = policy_of((5, 3, 33, 7, 40))
    for precision in ("float32", "bfloat16"):
        source = write_cpp(policy, name=precision, precision=precision)
        (tmp_path / f"{precision}.h").write_text(source)
    (tmp_path / "bare.cc").write_text(BARE)
    flags = "-std=c++17 -O1 -Wall -Wextra -Wconversion -Wshadow -Werror -ffp-contract=off".split()
    flags += ["-fno-exceptions", "-fno-rtti", f"-I{ROOT / 'csrc'}", f"-I{tmp_path}"]
    run([COMPILER, *flags, "-c", tmp_path / "bare.cc", "-o", tmp_path / "bare.o"])
    run([COMPILER, tmp_path / "bare.o", "-o", tmp_path / "bare"])
    needed = subprocess.run(["nm", "-u", tmp_path / "bare.o"], capture_output=True, text=True)
    for symbol in ("malloc", "_Znwm", "_Znam", "__cxa_throw"):
        assert symbol not in needed.stdout
    vectors = vectors_of(policy)
    obs = vectors["obs"].numpy()
    out = subprocess.run([tmp_path / "bare"], input=obs.tobytes(), capture_output=True, check=True)
    actions = np.frombuffer(out.stdout, np.float32).reshape(len(obs), 2, 3)
    for i, precision in enumerate(("float32", "bfloat16")):
        np.testing.assert_array_equal(actions[:, i], NativePolicy(policy, precision)(obs))
    np.testing.assert_allclose(actions[:, 0], vectors["actions"].numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "a-b"}, "name must be a C++ identifier such as td7_policy, got 'a-b'"),
        ({"name": "_a"}, "name must be a C++ identifier"),
        ({"precision": "float16"}, "precision must be float32 or bfloat16, got 'float16'"),
    ],
)
def test_cpp_source_refuses_a_bad_argument(arguments, message):
    with pytest.raises(ValueError, match=message.replace("+", r"\+")):
        write_cpp(policy_of(SMALL), **arguments)


def test_cpp_source_refuses_weights_that_are_not_finite():
    policy = policy_of(SMALL)
    policy.actor.l1.bias[0] = torch.inf
    with pytest.raises(ValueError, match=r"actor\.l1\.bias must be finite, got NaN or infinity"):
        write_cpp(policy)
