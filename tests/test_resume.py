"""A run that was stopped, saved on the way or killed goes on as if nothing had been."""

import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import td7
from td7.rollout import stepped
from td7.run_folder import locked
from td7.training import online
from td7.training.metrics import read_metrics
from td7.training.stop import StopSignal

TASK = f"{Path(td7.__file__).parent / 'examples' / 'reach_arm.py'}:ReachArm"


def everything(folder):
    """Return all that a run has come to: weights, replay, counters, metrics; no times of day."""
    state = folder / "state"
    files = {
        path.name: path.read_bytes()
        for path in state.iterdir()
        if path.suffix in (".bin", ".safetensors")
    }
    counters = json.loads((state / "counters.json").read_text())
    del counters["wall_s"], counters["metrics_bytes"]
    rows = [
        {key: value for key, value in row.items() if not key.startswith("time/")}
        for row in read_metrics(folder)
    ]
    rows.sort(key=lambda row: row["seed"])  # stable: each member's rows keep their order
    return files, counters, rows


def assert_same(folder, wanted):
    for mine, theirs in zip(everything(folder), everything(wanted), strict=True):
        assert mine == theirs


@pytest.fixture
def stop_after(monkeypatch):
    """Let each sitting stop when it was asked for the n-th time whether to."""

    def install(*counts):
        left = list(counts)

        class Stopping(StopSignal):
            def __enter__(self):
                self.asked, self.most = 0, left.pop(0) if left else None
                return super().__enter__()

            def __call__(self):
                self.asked += 1
                return self.most is not None and self.asked > self.most

        monkeypatch.setattr(online, "StopSignal", Stopping)

    return install


CASES = {
    "native": ("Hopper-v5", {}),
    "native-steps": ("Hopper-v5", {"use_checkpoints": False, "num_envs": 2}),
    "native-waves": ("Hopper-v5", {"num_envs": 2, "assessment_episodes": 3}),
    "gymnasium": ("Toy/Point-v0", {}),
    "gymnasium-steps": ("Toy/Point-v0", {"use_checkpoints": False}),
    "task": (TASK, {"num_envs": 2, "assessment_episodes": 2}),
    "late": ("Toy/Point-v0", {"late_after_updates": 120, "late_assessment_episodes": 3}),
    "device": ("Toy/Point-v0", {"replay": "device", "num_envs": 2, "assessment_episodes": 2}),
}


@pytest.mark.parametrize("seeds", [(1,), (4, 2, 3)], ids=["P1", "P3"])
@pytest.mark.parametrize("case", CASES)
def test_a_stopped_run_ends_as_an_unbroken_one(case, seeds, small_config, quiet, stop_after):
    env, changes = CASES[case]
    options = {"seeds": seeds, "total_steps": 420, "config": small_config(**changes)}
    td7.train(env, run=quiet("whole"), **options)
    run = quiet("cut")
    stop_after(40, 150, 7, 90, 333, 11, 60)
    assert not td7.train(env, run=run, **options).finished
    sittings = 1
    while not td7.resume(run.out, run=run).finished:
        sittings += 1
    assert sittings >= 3
    assert_same(run.out, quiet("whole").out)


@pytest.mark.parametrize("case", CASES)
def test_saves_on_the_way_change_nothing(case, small_config, quiet, monkeypatch):
    env, changes = CASES[case]
    options = {"seeds": (4, 2), "total_steps": 420, "config": small_config(**changes)}
    td7.train(env, run=quiet("whole"), **options)
    saves, save_state = [], online.save_state
    monkeypatch.setattr(online, "save_state", lambda *a, **k: saves.append(save_state(*a, **k)))
    td7.train(env, run=quiet("saved", save_every_steps=40), **options)
    assert len(saves) >= 2  # between waves of episodes, and bursts; the last one is not on the way
    assert_same(quiet("saved").out, quiet("whole").out)


def test_episodes_that_do_not_repeat_start_anew_and_are_told(
    small_config, quiet, stop_after, capsys, monkeypatch
):
    config = small_config()
    run = dataclasses.replace(quiet(), progress="plain")
    stop_after(60)
    td7.train("Toy/Point-v0", seeds=[1], total_steps=400, config=config, run=run)
    counters = json.loads((run.out / "state" / "counters.json").read_text())
    (simulation,) = counters["members"][0]["simulations"]
    assert simulation["steps"] % 50 > 0  # it stopped within an episode
    reset = stepped.SteppedRollouts._start

    def elsewhere(rollouts, sims):
        failed = reset(rollouts, sims)
        for sim in sims:
            rollouts._episodes[sim].seen.update(b"another world")
        return failed

    monkeypatch.setattr(stepped.SteppedRollouts, "_start", elsewhere)
    stop_after()
    assert td7.resume(run.out, run=run).finished
    told = "seed 1, simulation 0: the environment did not go the same way again; a new episode"
    assert told in capsys.readouterr().out


def test_two_processes_cannot_train_one_run(small_config, quiet):
    run = quiet()
    td7.train("Toy/Point-v0", seeds=[1], total_steps=120, config=small_config(), run=run)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, pathlib; from td7.run_folder import locked\n"
            "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()",
            str(run.out),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(RuntimeError, match="is in use: another process trains this run"):
        td7.resume(run.out, total_steps=150, run=run)
    overwriting = dataclasses.replace(run, overwrite=True)
    with pytest.raises(RuntimeError, match="is in use"):
        td7.train("Toy/Point-v0", total_steps=100, config=small_config(), run=overwriting)
    holder.kill()  # a lock does not outlive its process
    holder.wait()
    with locked(run.out):
        pass
    assert td7.resume(run.out, total_steps=150, run=run).finished


def test_a_full_disk_while_saving_keeps_the_last_state_and_the_run_going(
    small_config, quiet, monkeypatch, capsys
):
    options = {"seeds": [1], "total_steps": 420, "config": small_config()}
    td7.train("Toy/Point-v0", run=quiet("whole"), **options)
    from td7.training import saved_state

    save, calls = saved_state.save_file, []

    def full_at_the_second(tensors, path):
        calls.append(path)
        if len(calls) == 2:
            path.write_bytes(b"half of it")
            raise OSError(28, "No space left on device", str(path))
        save(tensors, path)

    monkeypatch.setattr(saved_state, "save_file", full_at_the_second)
    run = dataclasses.replace(quiet(save_every_steps=60), progress="plain")
    td7.train("Toy/Point-v0", run=run, **options)
    assert len(calls) > 3
    said = capsys.readouterr().out
    assert "the state could not be saved, and the last one stays: [Errno 28] No space" in said
    assert_same(run.out, quiet("whole").out)


def test_a_save_that_is_due_every_moment_is_refused():
    with pytest.raises(ValueError, match=r"save_every_s must be 0 or at least 1, got 0.5"):
        td7.RunConfig(save_every_s=0.5)


PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
import conftest, td7
print("ready", flush=True)
folder = Path(sys.argv[2])
run = td7.RunConfig(progress="none", tensorboard=False, save_every_steps=25, out=None)
if (folder / "config.json").exists():
    td7.resume(folder, run=run)
else:
    import dataclasses
    config = td7.TD7Config(**{**conftest.SMALL, "num_envs": 2, "assessment_episodes": 2})
    td7.train("Hopper-v5", seeds=[3, 5], total_steps=700, config=config,
              run=dataclasses.replace(run, out=folder))
"""


def sitting(folder):
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(Path(__file__).parent), str(folder)],
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"ready\n"
    return process


def torture(folder, kills):
    """Kill a run's process at random moments until it ends; return how often it was killed."""
    whole, began = sitting(folder / "whole"), time.monotonic()
    assert whole.wait() == 0
    most_s = (time.monotonic() - began) / 2  # that a sitting may last
    rng, killed, rounds = random.Random(0), 0, 0
    while killed < kills:
        rounds += 1
        run = folder / f"run-{rounds}"
        ended = False
        while not ended and killed < kills:
            process = sitting(run)
            try:
                ended = process.wait(rng.uniform(0.0, most_s)) == 0
                assert ended, f"a sitting failed with {process.returncode}"
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                killed += 1
        while not ended:
            ended = sitting(run).wait() == 0
            assert ended
        assert_same(run, folder / "whole")
        names = sorted(path.name for path in run.iterdir())
        assert set(names) <= {
            "config.json",
            "lock",
            "machine.json",
            "metrics.jsonl",
            "policy",
            "state",
            "state.old",
            "state.partial",
        }
        shutil.rmtree(run)
    return killed


def test_killed_runs_end_as_an_unbroken_one(tmp_path):
    assert torture(tmp_path, 5) == 5


@pytest.mark.long
def test_runs_that_are_killed_fifty_times_end_as_an_unbroken_one(tmp_path):
    assert torture(tmp_path, 50) == 50
