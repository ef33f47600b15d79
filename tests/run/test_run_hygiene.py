"""A run ends at a signal wherever it is, and takes no more of the machine the longer it lasts."""

import contextlib
import gc
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_resume import assert_same, stop_after

import td7
from conftest import SMALL, TOY_RUN
from td7.run.folder import read_settings
from td7.run.metrics import read_metrics
from td7.run.saving import load_state
from td7.run.state import RunState
from td7.training import evaluations
from td7.training.report import ROUND_STEPS, Report
from td7.updates.groups import Group

__all__ = ["stop_after"]  # a fixture

# In each run the n-th call of a function says that it is there; what it does then takes a while.
PROGRAM = """
import sys, time
sys.path.insert(0, sys.argv[1])
import conftest, td7.cli
from td7.files import manifest
from td7.rollout import waves
from td7.training import evaluations
from td7.updates import groups

def train(out, owner, name, number):
    call, calls = getattr(owner, name), []
    def slow(*args):
        calls.append(1)
        if len(calls) == number:
            print("there", flush=True)
            time.sleep(0.1)
        return call(*args)
    setattr(owner, name, slow)
    try:
        td7.cli.main([*sys.argv[3:], "--out", f"{sys.argv[2]}/{out}"])
    except SystemExit as ended:
        print("code", ended.code, flush=True)
    setattr(owner, name, call)

train("collection", waves.Collector, "run", 4)
train("burst", groups.Group, "_update", 60)
train("evaluation", evaluations, "evaluate", 2)
train("save", manifest, "sha256_of", 5)
sys.exit(7)
"""
TINY = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
TRAIN = ["train", "--env", "Toy/Point-v0", "--save-every-steps=60", "--no-tensorboard", *TINY]


def test_sigterm_at_any_moment_saves_the_state_and_says_how_to_go_on(tmp_path):
    rng = random.Random(11)
    here = str(Path(__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, here, str(tmp_path), *TRAIN],
        stdout=subprocess.PIPE,
        text=True,
    )
    for moment in ("collection", "burst", "evaluation", "save"):
        read_until(process, "there\n")
        time.sleep(rng.uniform(0.0, 0.08))
        process.send_signal(signal.SIGTERM)
        sent = time.monotonic()
        said = read_until(process, "code 130\n")
        assert time.monotonic() - sent < 10, moment
        assert f"stopped; continue with: td7 train --resume {tmp_path / moment}" in said
        no_step_is_lost(tmp_path / moment)
    assert process.wait(10) == 7  # nothing of the four keeps it


def read_until(process, wanted):
    """Return what a process says until a line comes."""
    said = ""
    while (line := process.stdout.readline()) != wanted:
        assert line, f"{said}\nended with {process.wait()} before {wanted}"
        said += line
    return said


def no_step_is_lost(folder):
    state = RunState(read_settings(folder))
    assert load_state(state, folder) == []
    state.collector.cut()
    assert state.collector.env_steps[0] == state.replays[0].size()
    state.close()


def test_a_signal_cuts_an_evaluation_which_is_made_anew(whole, quiet, monkeypatch):
    evaluate, calls, run = evaluations.evaluate, [], quiet()

    def interrupted(*args):
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGTERM)
        return evaluate(*args)

    with monkeypatch.context() as patch:
        patch.setattr(evaluations, "evaluate", interrupted)
        assert not td7.train("Toy/Point-v0", run=run, **TOY_RUN).finished
    evaluated = [r["env_steps"] for r in read_metrics(run.out) if r["event"] == "evaluation"]
    assert evaluated == [0]
    assert td7.resume(run.out, run=run).finished
    assert_same(run.out, whole)


def steps_of_rounds(folder):
    return [
        row["rollout/assessment_steps"] for row in read_metrics(folder) if row["event"] == "round"
    ]


@pytest.mark.parametrize("use_checkpoints", [True, False])
def test_episodes_of_one_step_share_rows(use_checkpoints, small_config, quiet, stop_after):
    config = small_config(use_checkpoints=use_checkpoints)
    run, options = quiet(), {"seeds": [1], "total_steps": 260, "config": config}
    td7.train("Toy/OneStep-v0", run=run, **options)
    learning = 260 - (config.warmup_steps + 1)
    left = learning % ROUND_STEPS  # what the end reports, and a longer run would go on with
    assert steps_of_rounds(run.out) == [ROUND_STEPS] * (learning // ROUND_STEPS) + [left]
    rounds = [row for row in read_metrics(run.out) if row["event"] == "round"]
    assert all(row["rollout/assessment_episodes"] == ROUND_STEPS for row in rounds[:-1])
    assert all(row["train/critic_loss"] > 0 for row in rounds)
    counters = json.loads((run.out / "state" / "counters.json").read_text())
    assert len(counters["members"][0]["recent_episodes"]) == left > 0

    cut = quiet("cut")
    stop_after(150, 200)
    assert not td7.train("Toy/OneStep-v0", run=cut, **options).finished
    assert not td7.resume(cut.out, run=cut).finished
    assert td7.resume(cut.out, run=cut).finished
    assert_same(cut.out, run.out)


def test_usual_episodes_have_a_row_a_round(whole):
    assert steps_of_rounds(whole) == [50, 50, 50]  # warm-up ends with the third episode


def taken():
    """Return what this process takes: resident bytes, open files, threads."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    files = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            files.append(os.readlink(path))
    # TensorBoard's thread opens its file for each of its writes
    files = [name for name in files if "tfevents" not in name]
    threads = len(os.listdir("/proc/self/task"))
    return pages * os.sysconf("SC_PAGE_SIZE"), len(files), threads


@pytest.fixture
def measured(monkeypatch):
    """Return a function: trains, an update for 100 steps; what is taken at each evaluation."""
    burst, report, found, owed = Group.train, Report.evaluation, [], []

    def train_little(group, debts, *rest):
        owed.append(sum(owed) % 100 + debts[0])
        del owed[:-1]
        debts[0] = owed[0] // 100
        burst(group, debts, *rest)

    def watched(self, member, env_steps, evaluated):
        report(self, member, env_steps, evaluated)
        found.append((env_steps, *taken()))

    monkeypatch.setattr(Group, "train", train_little)
    monkeypatch.setattr(Report, "evaluation", watched)

    def train(env, total_steps, run, config):
        td7.train(env, seeds=[1], total_steps=total_steps, config=config, run=run)
        return [each for each in found if each[0] >= total_steps // 4]

    return train


def no_more_at_the_end(found, bytes_more):
    (_, rss, files, threads), *rest = found
    assert len(rest) >= 3
    assert {each[2:] for each in rest} == {(files, threads)}
    assert rest[-1][1] - rss < bytes_more, [each[1] - rss for each in rest]


def test_thousands_of_steps_take_no_more_memory_files_or_threads(measured, small_config, quiet):
    config = small_config(warmup_steps=200, eval_every=2_000, buffer_capacity=2_000)
    run = quiet(tensorboard=True, save_every_steps=1_000)
    found = measured("Toy/Point-v0", 20_000, run, config)
    no_more_at_the_end(found, 4 << 20)
    assert len(read_metrics(run.out)) <= 20_000 / ROUND_STEPS + 11


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("env", ["Toy/Ending-v0", "Hopper-v5"])
def test_a_million_steps_take_no_more_memory_files_or_threads(env, measured, small_config, quiet):
    config = small_config(warmup_steps=200, eval_every=50_000, buffer_capacity=2_000)
    run = quiet(tensorboard=True, save_every_steps=100_000)
    found = measured(env, 1_000_000, run, config)
    no_more_at_the_end(found, 8 << 20)
    assert len(read_metrics(run.out)) <= 1_000_000 / ROUND_STEPS + 21
