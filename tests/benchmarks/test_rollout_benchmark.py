"""The rollout benchmark's code on short runs, and the README's table against the kept results."""

from __future__ import annotations

import ctypes
import json
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from benchmarks.rollouts.batch_tasks import TASKS
from benchmarks.rollouts.contest import RATE, SHARE, Effort
from benchmarks.rollouts.mujoco_batch import MujocoBatch
from benchmarks.rollouts.native import NativeRun, Run
from benchmarks.rollouts.policies import untrained
from benchmarks.rollouts.raw import Raw, compile_raw
from benchmarks.rollouts.recording import Model
from benchmarks.tables import ROLLOUT, rollout_table, section

from benchmarks import rollout
from td7.policy.saved import Policy

ENV = "Hopper-v5"
CASES = {"env/1t", "env/all", "policy/1t", "policy/all", "policy/members"}
CASES |= {"trained/1t", "trained/all"}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Results of td7, raw and Gymnasium, by the command line's function."""
    folder = tmp_path_factory.mktemp("rollout")
    Policy(untrained(ENV, 5)).save(folder / "policy")
    path, threads = folder / "rollout.json", torch.get_num_threads()
    arguments = ["--json", str(path), "--quick", "--tasks", ENV, "--peers", "gymnasium"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollout, "QUICK", Effort(rounds=2, seconds=0.02))
        rollout.main([*arguments, "--policy-dir", f"{ENV}={folder / 'policy'}"])
    torch.set_num_threads(threads)
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return compile_raw(tmp_path_factory.mktemp("raw"))


def run(num_threads: int, behaviour: str, env: str = ENV) -> Run:
    policies = [untrained(env, seed) for seed in range(2)]
    return NativeRun(Model.of(env), policies, 3, num_threads, behaviour).run(1e-9)


def test_rollout_benchmark_gives_each_metric_once(results: dict) -> None:
    found = [(row["name"], row["case"], row["metric"]) for row in results["rows"]]
    expected = {("td7", f"{ENV}/{case}", metric) for case in CASES for metric in (RATE, SHARE)}
    expected |= {("raw", f"{ENV}/{case}", RATE) for case in CASES}
    expected |= {("gymnasium", f"{ENV}/env/1t", RATE)}
    expected |= {("gymnasium + torch", f"{ENV}/policy/1t", RATE)}
    assert set(found) == expected
    assert len(found) == len(expected)


def test_rollout_benchmark_rows_are_plausible(results: dict) -> None:
    for row in results["rows"]:
        assert set(row) == {"name", "case", "metric", "median", "iqr", "n"}
        assert row["median"] > (0.02 if row["metric"] == SHARE else 50)
        assert row["iqr"] >= 0
        assert row["n"] == 2


def test_rollout_benchmark_says_what_it_ran_on_and_left_out(results: dict) -> None:
    assert {"processor", "cores", "instruction_sets"} <= set(results["machine"])
    assert {"td7", "mujoco", "gymnasium"} <= set(results["versions"])
    assert results["command"].startswith("python -m benchmarks.rollout --json")
    reasons = {entry["name"]: entry["reason"] for entry in results["left_out"]}
    left_out = ("gymnasium-async", "mujoco.batch", "envpool")
    assert reasons == dict.fromkeys(left_out, "not among --peers")


@pytest.mark.parametrize("env", TASKS)
def test_raw_ends_where_the_run_ended_to_the_bit(env: str, library: ctypes.CDLL) -> None:
    raw = Raw(library, Model.of(env), num_threads=2)
    assert raw.replay(run(2, "random", env).recording) > 0
    raw.close()


def test_raw_refuses_a_run_that_went_elsewhere(library: ctypes.CDLL) -> None:
    recording = run(1, "explore").recording
    raw = Raw(library, Model.of(ENV), num_threads=2)
    raw.replay(recording)
    action = recording.action.copy()
    action[-1, 0] = np.nextafter(action[-1, 0], np.float32(2))
    with pytest.raises(AssertionError, match="elsewhere than the run did, in simulation 5"):
        raw.replay(replace(recording, action=action))
    raw.close()


@pytest.mark.parametrize("behaviour", ["random", "explore"])
def test_a_run_does_not_depend_on_the_number_of_threads(behaviour: str) -> None:
    one, three = run(1, behaviour), run(3, behaviour)
    assert one.env_steps == three.env_steps
    for name in ("last_episode", "first_action", "qpos", "qvel", "action", "final_qpos"):
        np.testing.assert_array_equal(getattr(one.recording, name), getattr(three.recording, name))


@pytest.mark.parametrize("env", TASKS)
def test_batch_task_is_gymnasiums_without_contact_forces(env: str) -> None:
    twin = gymnasium.make(env).unwrapped
    twin.reset(seed=3)
    peer = MujocoBatch(env, None, num_threads=1)
    peer.task.qpos[0], peer.task.qvel[0] = twin.data.qpos, twin.data.qvel
    peer.batch.forward()
    seen = {"Ant-v5": 27, "Humanoid-v5": 270}.get(env, twin.observation_space.shape[0])
    rng = np.random.default_rng(0)
    for _ in range(4):
        action = (0.3 * rng.uniform(-1, 1, twin.action_space.shape)).astype(np.float32)
        peer.act = lambda obs, chosen=action: np.tile(chosen, (len(obs), 1))
        peer.step()
        obs, reward, terminated, _, info = twin.step(action)
        assert not terminated
        np.testing.assert_allclose(peer.obs[0, :seen], obs[:seen], rtol=1e-9, atol=1e-9)
        without_contact = reward - info.get("reward_contact", 0.0)
        np.testing.assert_allclose(peer.reward[0], without_contact, rtol=1e-6)


def test_batch_task_ends_and_restarts_episodes() -> None:
    peer = MujocoBatch(ENV, None, num_threads=1)
    peer.task.qpos[5, 1] = 0.3  # fallen
    peer.episode_steps[7] = 999
    peer.step()
    assert set(np.flatnonzero(peer.episode_steps == 0)) == {5, 7}
    np.testing.assert_allclose(peer.obs[[5, 7], 0], 1.25, atol=0.005)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--tasks", "Walker-v0"], "--tasks must be of HalfCheetah-v5,Hopper-v5"),
        (["--peers", "brax"], "--peers must be of gymnasium,gymnasium-async"),
        (["--policy-dir", "runs/policy"], "--policy-dir must be ENV=DIR"),
        (["--policy-dir", "Ant-v5=nowhere"], "nowhere/policy.json is missing"),
    ],
)
def test_rollout_benchmark_refuses_by_name(arguments: list[str], text: str, capsys) -> None:
    with pytest.raises(SystemExit):
        rollout.parse(["--json", "unused.json", *arguments])
    assert text in capsys.readouterr().err


def test_rollout_benchmark_refuses_a_policy_of_another_task(tmp_path: Path, capsys) -> None:
    Policy(untrained(ENV, 0)).save(tmp_path)
    with pytest.raises(SystemExit):
        rollout.parse(["--json", "unused.json", "--policy-dir", f"Ant-v5={tmp_path}"])
    assert "a policy of Ant-v5, (105, 8), got one of (11, 3)" in capsys.readouterr().err


def test_table_shows_speed_and_share_in_thousands() -> None:
    def row(name: str, case: str, metric: str, median: float) -> dict:
        return {"name": name, "case": case, "metric": metric, "median": median}

    rows = [
        row("td7", "Ant-v5/policy/all", RATE, 11_540.0),
        row("td7", "Ant-v5/policy/all", SHARE, 0.894),
        row("raw", "Ant-v5/env/all", RATE, 12_400.0),
        row("gymnasium", "Hopper-v5/env/1t", RATE, 9_900.0),
    ]
    machine = {"cores": 2, "processor": "P", "instruction_sets": []}
    versions = {"python": "3", "mujoco": "4"}
    results = {"rows": rows, "machine": machine, "versions": versions, "command": "c"}
    lines = rollout_table(results).splitlines()
    assert lines[0] == "| | Ant | Hopper |"
    assert lines[2:5] == [
        "| physics alone, random actions | 12.4 |  |",
        "| gymnasium, random actions |  | 9.9 |",
        "| td7, policy | 11.5 (89 %) |  |",
    ]
    assert lines[-1].endswith("On 2 cores (P); mujoco 4: `c`")


@pytest.mark.skipif(not ROLLOUT.is_file(), reason="no rollout results are kept")
def test_readme_shows_the_kept_rollout_results() -> None:
    assert section("rollout") == rollout_table(json.loads(ROLLOUT.read_text()))
