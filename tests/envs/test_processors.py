"""Results hold on processors with fewer instructions than this one, imitated in other processes.

The rest of the suite runs with the libraries' own choice for this processor.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

import processor_kind
import pytest
from test_replay_cpp import COMPILER

from td7.extension import core

TESTS = Path(__file__).parents[1]
# comparisons with Gymnasium, with environments stepped in Python, and with recorded updates
FILES = (
    "envs/test_vector_env.py",
    "rollout/test_rollout_parity.py",
    "rollout/test_rollouts.py",
    "agent/test_golden.py",
)
CHOSEN = (
    "(every_returned_value and SAME_STEP) or tilted_and_fast or native_episodes_equal"
    " or (trace and eager)"
)
NORMS = """
import sys
import numpy as np
import processor_kind
from td7.extension import core
processor_kind.check_openblas(sys.argv[1])
random = np.random.default_rng(0)
for n in (0, 1, 2, 3, 31, 32, 33, 100):
    for x in random.standard_normal((2000, n)):
        assert core.norm(x) == np.linalg.norm(x), (n, x)
"""
COMPILED = """
import os, sys
import torch
from td7.updates.execution import compiled

def sums(x):
    return (2 * x + 1).abs().sum(-1), x.clamp(-1, 1)

torch.set_num_threads(1)
x = torch.randn(16, 37, generator=torch.Generator().manual_seed(0))
for capability in sys.argv[1:]:
    os.environ["ATEN_CPU_CAPABILITY"] = capability  # read whenever torch compiles
    torch._dynamo.reset()
    for got, wanted in zip(compiled(sums, "compiled")(x), sums(x), strict=True):
        torch.testing.assert_close(got, wanted)
"""

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="imitates x86-64 processors alone"
)


def passes(arguments, **environment):
    """Run Python in tests/ with these environment variables; show its output if it fails."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=TESTS,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("kernels", processor_kind.KERNELS)
def test_a_norm_has_numpys_bits_with_every_kernel_of_openblas(kernels):
    if processor_kind.KERNELS[kernels] not in core.instruction_sets():
        pytest.skip(f"this processor has no {processor_kind.KERNELS[kernels]}")
    passes(["-c", NORMS, kernels], OPENBLAS_CORETYPE=kernels)


@pytest.mark.timeout(600)  # 15 s on an idle machine, but a whole session of pytest
@pytest.mark.parametrize("kind", core.instruction_sets()[1:])
def test_results_hold_on_a_processor_with_fewer_instructions(kind):
    arguments = ["-m", "pytest", "-p", "processor_kind", "-p", "no:cacheprovider", "-q"]
    said = passes(
        [*arguments, "-m", "not long", "-k", CHOSEN, *FILES],
        **processor_kind.environment(kind),
    )
    assert " passed" in said


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler is installed")
@pytest.mark.skipif(len(core.instruction_sets()) < 3, reason="needs AVX-512 beside AVX2")
def test_code_compiled_for_one_cpu_is_not_reused_on_another(tmp_path):
    passes(
        ["-c", COMPILED, "avx512", "avx2", "avx512"],
        TORCHINDUCTOR_CACHE_DIR=str(tmp_path),
    )


@pytest.mark.skipif(processor_kind.openblas_kernels() is None, reason="numpy has another BLAS")
def test_an_imitation_that_openblas_ignores_is_an_error():
    path = {"PYTHONPATH": str(Path(__file__).parent)}
    environment = {**os.environ, **path, "OPENBLAS_CORETYPE": "Nehalem"}
    command = [sys.executable, "-c", NORMS, "Prescott"]
    done = subprocess.run(
        command, cwd=TESTS, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "OpenBLAS must use the kernels for Prescott, got those for Nehalem" in done.stderr
