"""A run ends at a signal wherever it is, and takes no more of the machine the longer it lasts."""

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

import td7
from td7.run_folder import read_settings
from td7.training import run_state
from td7.training.metrics import read_metrics
from td7.training.report import ROUND_STEPS, Report
from td7.training.run_state import RunState
from td7.training.saved_state import load_state
from test_resume import assert_same, stop_after

__all__ = ["stop_after"]  # a fixture

# The n-th call of a function says that it is there; what it does then takes a while.
PROGRAM = """
import sys, time
sys.path.insert(0, sys.argv[1])
import conftest, td7.cli
from td7.training import burst, collect, loop, saved_state
owner, name, number = {
    "collection": (collect.Collector, "run", 4),
    "burst": (burst.Trainer, "_make_one", 60),
    "evaluation": (loop, "evaluate", 2),
    "save": (saved_state, "sha256_of", 5),
}[sys.argv[2]]
call, calls = getattr(owner, name), []
def slow(*args):
    calls.append(1)
    if len(calls) == number:
        print("there", flush=True)
        time.sleep(0.1)
    return call(*args)
setattr(owner, name, slow)
td7.cli.main(sys.argv[3:])
"""
MOMENTS = ("collection", "burst", "evaluation", "save")


def begin(moment, run, small):
    options = [f"--{name.replace('_', '-')}={value}" for name, value in small.items()]
    train = ["train", "--env", "Toy/Point-v0", f"--out={run}", "--save-every-steps=60", *options]
    here = str(Path(__file__).parent)
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, here, moment, *train],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_sigterm_at_any_moment_saves_the_state_and_says_how_to_go_on(tmp_path, small_config):
    from conftest import SMALL

    rng = random.Random(11)
    runs = {moment: tmp_path / moment for moment in MOMENTS}
    processes = {moment: begin(moment, run, SMALL) for moment, run in runs.items()}
    for moment, process in processes.items():
        while (line := process.stdout.readline()) != "there\n":
            assert line, f"{moment}: ended with {process.wait()}"
        time.sleep(rng.uniform(0.0, 0.05))
        process.send_signal(signal.SIGTERM)
        sent = time.monotonic()
        said, _ = process.communicate(timeout=60)
        assert time.monotonic() - sent < 10, moment
        assert process.returncode == 130, moment
        assert f"continue with: td7 train --resume {runs[moment]}" in said.replace("\n", " ")
        state = RunState(read_settings(runs[moment]))
        assert load_state(state, runs[moment]) == []
        state.collector.cut()
        assert state.collector.env_steps[0] == state.replays[0].size()
        state.close()


def steps_of_rounds(folder):
    return [
        row["rollout/assessment_steps"] for row in read_metrics(folder) if row["event"] == "round"
    ]


@pytest.mark.parametrize("use_checkpoints", [True, False])
def test_episodes_of_one_step_share_rows(use_checkpoints, small_config, quiet, stop_after):
    config = small_config(use_checkpoints=use_checkpoints)
    run, options = quiet(), {"seeds": [1], "total_steps": 330, "config": config}
    td7.train("Toy/OneStep-v0", run=run, **options)
    learning = 330 - (config.warmup_steps + 1)
    assert steps_of_rounds(run.out) == [ROUND_STEPS] * (learning // ROUND_STEPS)
    rounds = [row for row in read_metrics(run.out) if row["event"] == "round"]
    assert all(row["rollout/assessment_episodes"] == ROUND_STEPS for row in rounds)
    assert all(row["train/critic_loss"] > 0 for row in rounds)
    counters = json.loads((run.out / "state" / "counters.json").read_text())
    assert len(counters["members"][0]["recent_episodes"]) == learning % ROUND_STEPS

    cut = quiet("cut")
    stop_after(250, 300)
    assert not td7.train("Toy/OneStep-v0", run=cut, **options).finished
    assert not td7.resume(cut.out, run=cut).finished
    assert td7.resume(cut.out, run=cut).finished
    assert_same(cut.out, run.out)


def test_usual_episodes_have_a_row_a_round(small_config, quiet):
    run = quiet()
    td7.train("Toy/Point-v0", seeds=[1], total_steps=300, config=small_config(), run=run)
    assert steps_of_rounds(run.out) == [50, 50, 50]  # warm-up ends with the third episode


def taken():
    """Return what this process takes: resident bytes, open files, threads."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    files, threads = (len(os.listdir(f"/proc/self/{name}")) for name in ("fd", "task"))
    return pages * os.sysconf("SC_PAGE_SIZE"), files, threads


@pytest.fixture
def measured(monkeypatch):
    """Return a function: trains with an update of ten steps; what is taken at each evaluation."""
    pay, report, found = RunState._pay, Report.evaluation, []

    def pay_little(run, trainer, mine, *rest):
        run.debts[mine] = [-(-debt // 10) if debt else 0 for debt in run.debts[mine]]
        pay(run, trainer, mine, *rest)

    def watched(self, member, env_steps, evaluated):
        report(self, member, env_steps, evaluated)
        found.append((env_steps, *taken()))

    monkeypatch.setattr(run_state.RunState, "_pay", pay_little)
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
    found = measured("Toy/Ending-v0", 20_000, run, config)
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
