"""A run that was stopped, saved on the way or killed goes on as if nothing had been."""

import dataclasses
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import td7
from td7.rollout import stepped
from td7.run.folder import locked
from td7.run.metrics import read_metrics
from td7.run.saving import latest
from td7.training import session
from td7.training.stop import Breaks, StopSignal
from td7.updates.optimizer import MemberAdam

TASK = f"{Path(td7.__file__).parent / 'examples' / 'reach_arm.py'}:ReachArm"


def contents(folder):
    """Return the bytes of all files below a folder."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def everything(folder):
    """Return all that a run has come to: weights, replay, counters, metrics; no times of day."""
    state = folder / "state"
    files = {name: content for name, content in contents(state).items() if name.suffix != ".json"}
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

        monkeypatch.setattr(session, "StopSignal", Stopping)

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
    saves, save_state = [], session.save_state
    monkeypatch.setattr(session, "save_state", lambda *a, **k: saves.append(save_state(*a, **k)))
    td7.train(env, run=quiet("saved", save_every_steps=40), **options)
    assert len(saves) >= 400 * len(options["seeds"]) // 50  # every 40 steps and a few
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
            "import sys, pathlib; from td7.run.folder import locked\n"
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


@pytest.mark.parametrize("room", [0, 5_000])  # bytes: nothing fits, or not all of it
def test_a_full_disk_while_saving_keeps_the_last_state_and_the_run_going(
    room, small_config, quiet, monkeypatch, capsys
):
    options = {"seeds": [1], "total_steps": 420, "config": small_config()}
    td7.train("Toy/Point-v0", run=quiet("whole"), **options)
    save, saves = session.save_state, []

    def with_little_room(state, folder, **where):
        saves.append(1)
        if len(saves) != 2:
            return save(state, folder, **where)
        before = contents(folder / "state")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        try:
            save(state, folder, **where)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            assert before == contents(folder / "state")

    monkeypatch.setattr(session, "save_state", with_little_room)
    run = dataclasses.replace(quiet(save_every_steps=60), progress="plain")
    td7.train("Toy/Point-v0", run=run, **options)
    assert len(saves) > 3
    said = capsys.readouterr().out
    assert "the state could not be saved, and the last one stays: [Errno 27] File too large" in said
    assert_same(run.out, quiet("whole").out)


def test_an_error_within_an_update_leaves_the_state_saved_before(small_config, quiet, monkeypatch):
    options = {"seeds": [1], "total_steps": 420, "config": small_config()}
    td7.train("Toy/Point-v0", run=quiet("whole"), **options)
    run, step, made = quiet(save_every_steps=60), MemberAdam.step, []

    def failing(optimizer, gradients, active):
        made.append(1)
        if len(made) == 500:  # between the encoder's step and the critics'
            raise RuntimeError("a fault of the machine")
        step(optimizer, gradients, active)

    with monkeypatch.context() as patch:
        patch.setattr(MemberAdam, "step", failing)
        with pytest.raises(RuntimeError, match="a fault of the machine"):
            td7.train("Toy/Point-v0", run=run, **options)
    assert td7.resume(run.out, run=run).finished
    assert_same(run.out, quiet("whole").out)


def test_kills_between_two_renames_lose_no_state(small_config, quiet, monkeypatch):
    options = {"seeds": [1], "total_steps": 230, "config": small_config()}
    run, whole, rename = quiet(), quiet("whole"), Path.rename
    for each in (run, whole):
        td7.train("Toy/Point-v0", run=each, **options)
    assert td7.resume(whole.out, total_steps=420, run=whole).finished

    def killed(path, target):
        if path.name == "state.partial":
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            td7.resume(run.out, total_steps=420, run=run)
        assert not (run.out / "state").exists()
        assert latest(run.out)
    monkeypatch.undo()
    assert td7.resume(run.out, total_steps=420, run=run).finished
    assert_same(run.out, whole.out)


def test_a_run_that_was_killed_before_its_first_save_starts_again(small_config, quiet):
    options = {"seeds": [1], "total_steps": 230, "config": small_config()}
    td7.train("Toy/Point-v0", run=quiet("whole"), **options)
    run = quiet()
    td7.train("Toy/Point-v0", run=run, **options)
    shutil.rmtree(run.out / "state")
    assert td7.resume(run.out, run=run).finished
    assert_same(run.out, quiet("whole").out)


def test_a_save_that_is_due_every_moment_is_refused():
    with pytest.raises(ValueError, match=r"save_every_s must be 0 or at least 1, got 0.5"):
        td7.RunConfig(save_every_s=0.5)


def test_saves_by_the_clock_take_a_twentieth_of_the_time_at_most(monkeypatch):
    now, steps, stops = [0.0], [0], [False]
    monkeypatch.setattr("td7.training.stop.time.monotonic", lambda: now[0])
    breaks = Breaks(lambda: stops[0], lambda: steps[0], 10.0, 0)
    due = []
    for now[0] in (9.0, 10.0):
        due.append(breaks())
    breaks.saved(took_s=1.0)
    for now[0] in (20.0, 29.0, 30.0):
        due.append(breaks())
    assert due == [False, True, False, False, True]
    by_steps = Breaks(lambda: stops[0], lambda: steps[0], 0.0, 5)
    now[0], steps[0] = 1e9, 4
    assert not by_steps()
    steps[0] = 5
    assert by_steps()
    by_steps.saved(took_s=100.0)
    assert not by_steps()
    stops[0] = True
    assert by_steps()


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


def sitting_in(folder):
    process = subprocess.Popen(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            PROGRAM,
            str(Path(__file__).parents[1]),
            str(folder),
        ],
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"ready\n"
    return process


def torture(folder, kills):
    """Kill a run's process at random moments until it ends; return how often it was killed."""
    whole, began = sitting_in(folder / "whole"), time.monotonic()
    assert whole.wait() == 0
    most_s = (time.monotonic() - began) / 2  # that a sitting may last
    rng, killed, rounds = random.Random(0), 0, 0
    while killed < kills:
        rounds += 1
        run = folder / f"run-{rounds}"
        ended = False
        while not ended and killed < kills:
            process = sitting_in(run)
            try:
                ended = process.wait(rng.uniform(0.0, most_s)) == 0
                assert ended, f"a sitting failed with {process.returncode}"
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                killed += 1
        while not ended:
            ended = sitting_in(run).wait() == 0
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
@pytest.mark.timeout(1800)
def test_runs_that_are_killed_fifty_times_end_as_an_unbroken_one(tmp_path):
    assert torture(tmp_path, 50) == 50
