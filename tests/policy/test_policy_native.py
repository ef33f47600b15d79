"""The policy in C++ is the policy in torch, and its exploration is the collector's."""

import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from td7 import draws
from td7.extension import core
from td7.policy.module import SalePolicy
from td7.policy.native import NativePolicy

ROOT = Path(__file__).parents[2]
COMPILER = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
SIZES = [
    (17, 6, 256, 256, 256),
    (348, 17, 256, 256, 256),
    (3, 1, 7, 33, 7),
    (11, 20, 33, 7, 100),
    (400, 3, 300, 65, 17),
]
KINDS = ["initial", "trained"]


@pytest.fixture(params=core.instruction_sets())
def instruction_set(request):
    core.set_instruction_set(request.param)
    yield request.param
    core.set_instruction_set(core.instruction_sets()[0])


def module(sizes, kind, seed=0):
    """A policy as it is at first, or with what training leaves: a few strong directions."""
    random = torch.Generator().manual_seed(seed)
    policy = SalePolicy(*sizes)
    weights = {}
    for name, value in policy.state_dict().items():
        bound = value.shape[-1] ** -0.5
        weights[name] = (2 * torch.rand(value.shape, generator=random) - 1) * bound
        if kind == "trained" and value.ndim == 2:
            left = torch.randn(value.shape[0], 2, generator=random)
            right = torch.randn(2, value.shape[1], generator=random)
            weights[name] += bound * left @ right * value.shape[0] ** -0.25
    weights["low"] = -0.5 - torch.rand(sizes[1], generator=random)
    weights["high"] = 1 + torch.rand(sizes[1], generator=random)
    policy.load_state_dict(weights)
    return policy


def observations(n, sizes, scale=1.0, seed=0):
    rows = np.random.default_rng(seed).standard_normal((n, sizes[0])) * scale
    return rows.astype(np.float32)


def eager(policy, obs):
    return policy.normalised(torch.from_numpy(obs)).numpy()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_every_instruction_set_gives_the_actions_of_torch(instruction_set, sizes, kind):
    policy = module(sizes, kind)
    native = NativePolicy(policy)
    for scale in (0.0, 1e-3, 1.0, 100.0, 1e6):
        obs = observations(300, sizes, scale)
        tensor = torch.from_numpy(obs)
        np.testing.assert_allclose(native.normalised(obs), eager(policy, obs), rtol=0, atol=1e-5)
        np.testing.assert_allclose(native(obs), policy(tensor).numpy(), rtol=0, atol=2e-5)
        zs = policy.encoder.zs(tensor).numpy()
        np.testing.assert_allclose(native.zs(obs), zs, rtol=0, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", SIZES[:2], ids=str)
def test_rounding_errors_are_no_larger_than_those_of_torch(instruction_set, sizes, kind):
    policy, obs = module(sizes, kind), observations(2000, sizes)
    actions, native = eager(policy, obs), NativePolicy(policy).normalised(obs)
    exact = policy.double().normalised(torch.from_numpy(obs).double()).numpy()
    rms = [float(np.sqrt(((x - exact) ** 2).mean())) for x in (native, actions)]
    assert rms[0] < 1.5 * rms[1]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_instruction_sets_agree(sizes, precision):
    obs, native = observations(500, sizes), NativePolicy(module(sizes, "initial"), precision)
    actions = {}
    for name in core.instruction_sets():
        core.set_instruction_set(name)
        actions[name] = native.normalised(obs)
    core.set_instruction_set(core.instruction_sets()[0])
    for value in actions.values():
        np.testing.assert_allclose(value, actions["plain"], rtol=0, atol=1e-6)
    if "avx512" in actions:
        np.testing.assert_array_equal(actions["avx512"], actions["avx2"])


@pytest.mark.parametrize(
    ("kind", "most", "mean"), [("initial", 3e-3, 5e-4), ("trained", 2.5e-2, 2e-3)]
)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_bfloat16_weights_move_an_action_by_thousandths(sizes, kind, most, mean):
    # measured at 256 wide: 1.8e-3 at most and 3e-4 on average at first, 6e-3 and 7e-4 if trained
    policy, obs = module(sizes, kind), observations(2000, sizes)
    error = np.abs(NativePolicy(policy, "bfloat16").normalised(obs) - eager(policy, obs))
    assert 0 < error.max() < most
    assert error.mean() < mean


def test_a_row_has_the_same_bits_in_every_batch(instruction_set):
    sizes = SIZES[0]
    obs = observations(40, sizes)
    for precision in ("float32", "bfloat16"):
        native = NativePolicy(module(sizes, "trained"), precision)
        actions = native.normalised(obs)
        for n in range(1, 18):
            parts = [native.normalised(obs[i : i + n]) for i in range(0, 40, n)]
            np.testing.assert_array_equal(np.concatenate(parts), actions)


def test_nan_gives_nan_in_its_row_alone(instruction_set):
    native, obs = NativePolicy(module(SIZES[0], "initial")), observations(20, SIZES[0])
    clean = native.normalised(obs)
    obs[7, 3] = np.nan
    actions = native.normalised(obs)
    assert np.isnan(actions[7]).all()
    np.testing.assert_array_equal(np.delete(actions, 7, 0), np.delete(clean, 7, 0))


def test_no_observations_give_no_actions():
    assert NativePolicy(module(SIZES[0], "initial"))(np.zeros((0, 17))).shape == (0, 6)


def test_loaded_weights_replace_those_before():
    first, second = (module(SIZES[2], "initial", seed) for seed in (1, 2))
    native, obs = NativePolicy(first), observations(5, SIZES[2])
    assert not np.array_equal(native(obs), NativePolicy(second)(obs))
    native.load(second.state_dict())
    np.testing.assert_array_equal(native(obs), NativePolicy(second)(obs))


def test_threads_share_a_policy():
    native, obs = NativePolicy(module(SIZES[0], "initial")), observations(64, SIZES[0])
    wanted, wrong = native(obs), []

    def call():
        for _ in range(50):
            if not np.array_equal(native(obs), wanted):
                wrong.append(1)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def arrays(policy):
    return {name: value.numpy() for name, value in policy.state_dict().items()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"actor.l1.bias": None}, "weights must hold actor.l1.bias"),
        (
            {"encoder.zs2.weight": np.zeros((33, 7), np.float32)},
            "encoder.zs2.weight must be float32 [33, 33] C-contiguous, got float32 [33, 7]",
        ),
        ({"low": np.zeros(1)}, "low must be float32 [1] C-contiguous, got float64 [1]"),
    ],
)
def test_bad_weights_are_refused_by_name_and_change_nothing(change, message):
    native, obs = NativePolicy(module(SIZES[2], "initial")), observations(5, SIZES[2])
    before = native(obs)
    weights = arrays(module(SIZES[2], "initial", seed=2)) | change
    with pytest.raises(ValueError, match=re.escape(message)):
        native.core.load({name: value for name, value in weights.items() if value is not None})
    np.testing.assert_array_equal(native(obs), before)


@pytest.mark.parametrize(
    ("obs", "out", "message"),
    [
        (np.zeros((2, 4)), (2, 1), "obs must be float32 [n, 3] C-contiguous, got float64 [2, 4]"),
        (
            np.zeros(3, np.float32),
            (1, 1),
            "obs must be float32 [n, 3] C-contiguous, got float32 [3",
        ),
        (np.zeros((2, 3), np.float32), (3, 1), "out must be float32 [2, 1] C-contiguous, got"),
    ],
)
@pytest.mark.parametrize("method", ["normalised", "act"])
def test_bad_arrays_are_refused_by_name(method, obs, out, message):
    native = NativePolicy(module(SIZES[2], "initial")).core
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(native, method)(obs, np.zeros(out, np.float32))


def test_bad_sizes_and_precisions_are_refused_by_name():
    with pytest.raises(ValueError, match="embedding_size must be from 1 to 1048576, got 0"):
        core.Policy(3, 1, 0, 8, 8)
    with pytest.raises(ValueError, match="precision must be float32 or bfloat16, got float16"):
        core.Policy(3, 1, 8, 8, 8, "float16")
    with pytest.raises(ValueError, match="the weights are not those of a policy"):
        NativePolicy({})


@pytest.mark.parametrize("size", [1, 2, 3, 6, 17])
def test_exploration_is_that_of_the_collector_to_the_bit(size):
    action = np.linspace(-1, 1, size, dtype=np.float32)
    for seed, step, noise in [(0, 0, 0.1), (2**64 - 1, 2**40, 0.5), (7, 123, 1 / 3), (7, 124, 0)]:
        normal = draws.normal([seed], "exploration", [step], size)[0]
        wanted = np.clip(action + np.float32(noise) * normal, -1, 1)
        out = action.copy()
        core.explore(seed, step, noise, out, out)
        assert out.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("size", [1, 2, 3, 6, 17])
def test_warmup_actions_are_those_of_the_collector_to_the_bit(size):
    for seed, step in [(0, 0), (2**64 - 1, 2**40), (7, 123)]:
        uniform = draws.uniform([seed], "warmup", [step], size)[0]
        out = np.empty(size, np.float32)
        core.warmup_action(seed, step, out)
        assert out.tobytes() == (2 * uniform - 1).astype(np.float32).tobytes()


def test_a_controller_needs_the_headers_alone_and_holds_its_claims_under_sanitizers(tmp_path):
    if COMPILER is None:
        pytest.skip("no C++ compiler is installed")
    for folder in ("policy", "simd", "random"):
        shutil.copytree(ROOT / "csrc" / folder, tmp_path / folder)
    options = (
        "-std=c++17 -O1 -g -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror "
        "-ffp-contract=off -fsanitize=address,undefined -fno-sanitize-recover=all"
    ).split()
    source, program = ROOT / "tests" / "cpp" / "test_policy.cc", tmp_path / "test_policy"
    command = [COMPILER, *options, f"-I{tmp_path}", str(source), "-o", str(program)]
    subprocess.run(command, check=True)
    result = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
