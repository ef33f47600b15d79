"""The program controller: a policy at a fixed rate on MuJoCo's models, and what it does in need."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import gymnasium
import mujoco
import numpy as np
import pytest
from controller_bundle import facts_of, policy_of, write_bundle, write_manifest
from safetensors.torch import load_file, save_file
from test_controller import BIN, cmake
from test_replay_cpp import COMPILER, ROOT

from td7.policy.native import NativePolicy

MUJOCO, NUMPY = Path(mujoco.__file__).parent, Path(np.__file__).parent
MODELS = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"
SIZES = {"HalfCheetah-v5": (17, 6, 8, 16, 16), "Hopper-v5": (11, 3, 8, 16, 16)}
DT = {"HalfCheetah-v5": 0.05, "Hopper-v5": 0.008}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The program, built without Python: MuJoCo and numpy's library are named by hand."""
    if COMPILER is None or not (BIN / "ninja").exists():
        pytest.skip("no C++ compiler, or no ninja beside Python")
    (library,) = [*MUJOCO.glob("libmujoco.so.*"), *MUJOCO.glob("libmujoco.*.dylib")]
    options = {
        "TD7_PYTHON": "OFF",
        "TD7_CONTROLLER": "ON",
        "TD7_ROLLOUT": "ON",
        "TD7_WERROR": "ON",
        "CMAKE_BUILD_TYPE": "Debug",
        "CMAKE_CXX_FLAGS_DEBUG": "-O0",  # to compile in a third of the time
        "MUJOCO_INCLUDE_DIR": MUJOCO / "include",
        "MUJOCO_LIBRARY": library,
        "NUMPY_INCLUDE_DIR": NUMPY / "_core" / "include",
        "NPYRANDOM_LIBRARY": NUMPY / "random" / "lib" / "libnpyrandom.a",
        "TD7_MODELS": MODELS,
    }
    folder = tmp_path_factory.mktemp("control")
    cmake(ROOT, folder, *(f"-D{k}={v}" for k, v in options.items()), target="controller")
    return folder / "controller"


def policy_for(env):
    """A policy within the task's bounds, -1 to 1, but not of all of them."""
    policy = policy_of(SIZES[env])
    policy.low.div_(2)
    policy.high.div_(2)
    policy.high[0] = 1
    return policy


def bundle_of(env, folder):
    policy = policy_for(env)
    write_bundle(folder, policy)
    write_manifest(folder, facts_of(policy) | {"env": env, "dt": DT[env]})
    return folder


@pytest.fixture(scope="module", params=SIZES)
def any_bundle(request, tmp_path_factory):
    return request.param, bundle_of(request.param, tmp_path_factory.mktemp("bundles") / "bundle")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return bundle_of("HalfCheetah-v5", tmp_path_factory.mktemp("bundles") / "bundle")


@pytest.fixture
def control(program, tmp_path):
    """Return a caller of the program: arguments -> what it logged."""

    def call(*arguments, status=0):
        log = tmp_path / "log.json"
        command = [program, *map(str, arguments), "--log", log]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert result.returncode == status, result.stdout + result.stderr
        assert not log.with_name("log.json.partial").exists()
        return json.loads(log.read_text())

    return call


@pytest.fixture
def started(program, tmp_path):
    """Return a starter of the program: arguments -> a process whose loop runs."""
    processes = []

    def start(*arguments):
        command = [program, *map(str, arguments), "--log", tmp_path / "log.json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        processes.append(process)
        assert process.stdout.readline().startswith(b"running ")
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_policy_runs_at_the_task_s_dt_without_allocating(control, any_bundle):
    env, bundle = any_bundle
    log = control(bundle, "--seconds", "2")
    assert log["schema"] == "td7.controller/1" and log["plant"] == env
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert log["manifest_sha256"] == manifest["manifest_sha256"]
    assert log["ended"] == "time" and log["backend"] == "native"
    periods = log["periods"]
    assert log["settings"]["rate_hz"] == pytest.approx(1 / DT[env])
    assert not any("trained for" in warning for warning in log["warnings"])
    assert periods["all"] == round(2 / DT[env]) == periods["done"] + periods["skipped"]
    assert periods["missed"] == periods["late"] + periods["skipped"]
    for times in ("lateness_us", "policy_us", "work_us"):
        assert sum(count for _, count in log[times]["buckets"]) == periods["done"]
        assert 0 < log[times]["p50"] <= log[times]["p99"] <= log[times]["max"]
    assert log["policy_us"]["max"] < log["work_us"]["max"]
    assert log["allocations"] == 0 and log["faults"] == [] and log["error"] == ""


def returns_of(env, policy, episodes):
    env = gymnasium.make(env)
    act = NativePolicy(policy)
    obs, _ = env.reset(seed=0)
    for _ in range(episodes):
        total, ended = 0.0, False
        while not ended:
            action = act(obs.astype(np.float32)[None])[0]
            obs, reward, terminated, truncated, _ = env.step(action)
            total, ended = total + reward, terminated or truncated
        yield total
        obs, _ = env.reset()


@pytest.mark.filterwarnings("ignore")
def test_episodes_are_gymnasium_s_whatever_the_rate(control, any_bundle):
    env, bundle = any_bundle
    log = control(bundle, "--seconds", "1", "--rate", "3000")
    found = log["returns"][:3]
    assert len(log["returns"]) == log["episodes"] >= 1
    assert log["arguments"][:1] == [str(bundle)] and "--rate" in log["arguments"]
    told = f"the policy was trained for {1 / DT[env]:g} Hz: at 3000 Hz the model runs at"
    assert any(warning.startswith(told) for warning in log["warnings"])
    assert list(returns_of(env, policy_for(env), len(found))) == found


def steps_until_the_safe_action_ends_the_episode(env, policy):
    """Return after how many steps of the policy the first episode ends by a step of zeros."""
    env, act = gymnasium.make(env), NativePolicy(policy)
    for steps in range(1, 500):
        obs, _ = env.reset(seed=0)
        for _ in range(steps):
            obs, _, terminated, _, _ = env.step(act(obs.astype(np.float32)[None])[0])
            assert not terminated
        if env.step(np.zeros(env.action_space.shape, np.float32))[2]:
            return steps
    raise AssertionError("the policy keeps its balance")


@pytest.mark.filterwarnings("ignore")
def test_the_safe_action_at_the_end_ends_no_episode(control, tmp_path):
    bundle = bundle_of("Hopper-v5", tmp_path / "bundle")
    steps = steps_until_the_safe_action_ends_the_episode("Hopper-v5", policy_for("Hopper-v5"))
    for rate in (200, 100, 50, 25, 12):  # so slow that no period is skipped
        log = control(bundle, "--seconds", steps / rate, "--rate", rate)
        if log["periods"]["done"] == steps:
            break
    assert log["periods"]["done"] == steps
    assert log["episodes"] == 0 and log["returns"] == []


def test_a_bare_loop_only_waits_for_its_periods(control, bundle):
    log = control(bundle, "--bare", "--rate", "1000", "--seconds", "2")
    assert log["periods"]["all"] == 2000 and log["plant"] == log["backend"] == "none"
    assert log["policy_us"]["buckets"] == [] and log["episodes"] == 0
    assert log["lateness_us"]["p50"] > 0


@pytest.mark.parametrize(
    ("fault", "kind", "entry"),
    [("nan", "observation not finite", 0), ("stale", "observation stale", None)],
)
def test_a_bad_observation_holds_then_takes_the_safe_action_and_is_logged(
    control, bundle, fault, kind, entry
):
    log = control(bundle, "--seconds", "1", "--fault", f"{fault}@3+5", "--hold", "2")
    assert log["ended"] == "time" and log["fault_counts"][kind] == 5
    assert log["actions"]["held"] == 2 and log["actions"]["safe"] == 3
    assert [(f["kind"], f["entry"]) for f in log["faults"]] == [(kind, entry)] * 5
    assert log["faults"][0]["period"] >= 3  # later if a period was skipped
    at_once = control(
        bundle, "--seconds", "1", "--fault", f"{fault}@3", "--safe", "1,0,0,0,0,-2e-1"
    )
    assert at_once["actions"]["held"] == 0 and at_once["actions"]["safe"] == 1
    assert at_once["settings"]["safe"] == pytest.approx([1, 0, 0, 0, 0, -0.2])


def test_a_limit_of_change_slows_actions(control, bundle):
    log = control(bundle, "--seconds", "1", "--max-step", "0.01")
    assert log["settings"]["max_step_per_s"] == pytest.approx(0.01)
    assert log["actions"]["slowed"] >= 10


STOPPERS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT]


@pytest.mark.parametrize("number", STOPPERS)
def test_a_signal_ends_the_loop_with_a_whole_log(started, bundle, tmp_path, number):
    process = started(bundle, "--seconds", "1000")
    time.sleep(0.2)
    process.send_signal(number)
    assert process.wait(timeout=20) == 0
    log = json.loads((tmp_path / "log.json").read_text())
    assert log["ended"] == "stopped" and log["periods"]["done"] < 1000


def test_a_program_started_by_nohup_runs_on_without_its_terminal(program, bundle, tmp_path):
    command = ["nohup", program, bundle, "--seconds", "2", "--log", tmp_path / "log.json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout.readline().startswith(b"running ")
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert json.loads((tmp_path / "log.json").read_text())["ended"] == "time"


def test_a_signal_while_files_are_read_ends_the_program(program, bundle, tmp_path):
    os.mkfifo(tmp_path / "model.xml")  # reading it waits for ever
    process = subprocess.Popen([program, bundle, "--model", tmp_path / "model.xml"])
    time.sleep(0.5)
    process.terminate()
    assert process.wait(timeout=20) == -signal.SIGTERM


def test_a_log_that_fails_in_the_end_leaves_the_summary(started, bundle, tmp_path):
    process = started(bundle, "--seconds", "1000")
    (tmp_path / "log.json.partial").mkdir()  # so that nothing can be written
    process.terminate()
    said = process.communicate(timeout=20)[0].decode()
    assert process.returncode == 2
    summary, error = said.split("controller: ")
    assert "faults, the last action held 0 times" in summary
    assert error == f"{tmp_path / 'log.json.partial'} cannot be written: File exists\n"


def test_a_killed_program_leaves_no_log_or_the_former_one(started, bundle, tmp_path):
    path = tmp_path / "log.json"
    for former in (None, "former"):
        if former:
            path.write_text(former)
        process = started(bundle, "--seconds", "1000")
        time.sleep(0.1)
        process.kill()
        process.wait()
        assert (path.read_text() if path.exists() else None) == former


def test_a_program_killed_as_it_ends_leaves_no_half_written_log(started, bundle, tmp_path):
    path = tmp_path / "log.json"
    for attempt in range(12):
        process = started(bundle, "--seconds", "0.05", "--rate", "1000")
        time.sleep(0.048 + 0.0008 * attempt)
        process.kill()
        process.wait()
        if path.exists():
            assert json.loads(path.read_text())["ended"] == "time"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "BUNDLE is missing"),
        (["{}", "more"], "one bundle at a time, got also more"),
        (["{}", "--backend", "tflite"], "--backend must be native, native-bf16, onnxruntime or"),
        (["{}", "--backend", "libtorch"], "libtorch is NOT BUILT into this program"),
        (["{}", "--env", "Pong"], "env must be one of Ant-v5 HalfCheetah-v5"),
        (["{}", "--model", "none.xml"], "none.xml does not compile"),
        (["{}", "--sha256", "abc"], "--sha256 must be 64 digits of 0-9 and a-f, got abc"),
        (["{}", "--rate", "0"], "--rate must be from 0.001 to 100000 Hz, got 0"),
        (["{}", "--rate", "nan"], "--rate must be from 0.001 to 100000 Hz, got nan"),
        (["{}", "--seconds", "-1"], "--seconds must be from 0.001 to 1e8, got -1"),
        (["{}", "--hold", "1.5"], "--hold must be a whole number from 0 to 1000000000, got 1.5"),
        (["{}", "--max-step", "0"], "--max-step must be from 1e-30 to 1e30, got 0"),
        (["{}", "--safe", "1,2"], "--safe must have 6 numbers, got 2"),
        (["{}", "--safe", "1,,2"], "--safe must be numbers with commas between them, got "),
        (["{}", "--safe", "9,0,0,0,0,0"], "--safe must be within the bounds, got 9.000000 at"),
        (["{}", "--fault", "fire@3"], "--fault must be nan@PERIOD or stale@PERIOD, got fire@3"),
        (["{}", "--fault", "nan@3+0"], "--fault must be a whole number from 1"),
        (["{}", "--fault", "stale@1", "--stale-ms", "0"], "--fault stale needs a limit"),
        (["{}", "--bare", "--hold", "1"], "--bare controls nothing"),
        (["{}", "--cpu", "-1"], "--cpu must be a whole number from 0 to 1023, got -1"),
        (["{}", "--log", "/nowhere/log"], "/nowhere/log.partial cannot be written: No such"),
        (["{}", "--log"], "--log lacks its value"),
        (["{}", "--fast", "1"], "--fast is unknown"),
    ],
)
def test_wrong_arguments_give_exit_status_2(program, bundle, arguments, message):
    command = [program, *(text.format(bundle) for text in arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr and "usage: controller" in result.stderr


def refused(program, *arguments):
    result = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and result.stdout == ""
    return result.stderr


def test_a_bundle_that_is_not_as_it_was_written_does_not_run(program, tmp_path):
    bundle = bundle_of("HalfCheetah-v5", tmp_path / "bundle")
    assert "not the one asked for" in refused(program, bundle, "--sha256", "0" * 64)
    weights = bundle / "policy.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "policy.safetensors is not as it was written" in refused(program, bundle)
    weights.write_bytes(content)
    tensors = load_file(weights)  # signed anew, but of another policy than the vectors
    save_file(tensors | {"actor.l3.weight": 2 * tensors["actor.l3.weight"]}, weights)
    write_manifest(bundle, facts_of(policy_for("HalfCheetah-v5")) | {"env": "HalfCheetah-v5"})
    assert "actions differ from vectors.safetensors by" in refused(program, bundle)


@pytest.mark.parametrize("dt", [1e-9, 9e-6, 1001, 1e9])
def test_a_dt_that_no_loop_can_keep_does_not_run_unless_a_rate_is_given(
    program, control, dt, tmp_path
):
    bundle = bundle_of("HalfCheetah-v5", tmp_path / "bundle")
    write_manifest(bundle, json.loads((bundle / "manifest.json").read_text()) | {"dt": dt})
    assert "manifest.json: dt must be from 1e-5 to 1000 s" in refused(program, bundle)
    assert control(bundle, "--rate", "100", "--seconds", "0.1")["settings"]["rate_hz"] == 100


def test_a_policy_of_other_sizes_than_the_task_s_does_not_run(program, bundle):
    text = refused(program, bundle, "--env", "Hopper-v5")
    assert "is a policy 17 -> 6, Hopper-v5 needs 11 -> 3" in text


@pytest.mark.parametrize("bound", ["low", "high"])
def test_a_policy_whose_actions_the_task_does_not_take_does_not_run(program, bound, tmp_path):
    policy = policy_for("HalfCheetah-v5")
    getattr(policy, bound)[3] *= 10
    bundle = write_bundle(tmp_path / "bundle", policy)
    low, high = (f"{getattr(policy, name)[3]:g}" for name in ("low", "high"))
    text = refused(program, bundle, "--env", "HalfCheetah-v5")
    assert f"is a policy with actions from {low} to {high} at entry 3" in text
    assert "HalfCheetah-v5 takes them from -1 to 1" in text
