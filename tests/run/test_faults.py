"""Errors of simulations, of updates, of memory and of clocks: told, saved where whole, resumable.

test_faults_of_disks.py has those of files.
"""

import dataclasses
import gc
import json
import os
import random
import re
import shutil
import threading
import time
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from test_resume import assert_same

import td7
import toy_envs
from conftest import SMALL, TOY_RUN
from td7.cli import main
from td7.envs import SimulationError
from td7.envs.native import make_engine
from td7.rollout import native
from td7.run import state as run_state
from td7.run.folder import read_settings
from td7.run.metrics import read_metrics
from td7.run.saving import load_state
from td7.run.state import RunState
from td7.study.plot import evaluation_curves
from td7.training import evaluations
from td7.updates.batches import HostBatches
from td7.updates.groups import Group
from td7.updates.optimizer import MemberAdam

TINY = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]


def threads():
    """Return the number of this process's threads, those of C++ included."""
    gc.collect()
    return len(os.listdir("/proc/self/task"))


def no_step_is_lost(folder):
    """Load a run's state and compare its steps with the rows of its replay."""
    state = RunState(read_settings(folder))
    load_state(state, folder)
    state.collector.cut()
    steps = state.collector.env_steps
    state.close()
    return steps == [state.replays[0].size(member) for member in range(len(steps))]


def test_an_error_of_mujoco_in_a_thread_ends_the_run_well(tmp_path, monkeypatch, capsys):
    """Memory for few contacts: a hopper that has fallen raises an error inside mj_step."""
    assets = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"
    model, text = tmp_path / "model.xml", (assets / "hopper.xml").read_text()
    model.write_text(re.sub("(<mujoco[^>]*>)", r'\1<size memory="4K"/>', text))

    def fragile(env, num_sims, num_threads):
        changes = {"xml_file": str(model), "terminate_when_unhealthy": False}
        evaluates = num_sims == 2 * SMALL["eval_episodes"]
        return make_engine(env, num_sims, num_threads, **({} if evaluates else changes))

    run = tmp_path / "run"
    train = ["train", "--env", "Hopper-v5", "--seeds=4,2", "--num-envs=3", f"--out={run}"]
    train += ["--total-steps=600", "--num-threads=4", "--assessment-episodes=3", *TINY]
    before = threads()
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(native, "make_engine", fragile)
        main(train)
    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert re.search(r"seed [42], simulation \d, .*step \d+: mj_stackAlloc: out of memory", error)
    assert "Traceback" not in error
    del ended
    assert threads() <= before
    assert no_step_is_lost(run)
    assert td7.resume(run, run=td7.RunConfig(progress="none")).finished


@pytest.mark.parametrize("whole_update", [True, False])
def test_an_error_of_the_training_thread_ends_the_run_well(
    whole_update, quiet, monkeypatch, tmp_path
):
    monkeypatch.setattr(run_state, "turns", lambda settings, size: [range(1), range(1, 2)])
    owner, name = (HostBatches, "begin") if whole_update else (Group, "_update")
    call, calls = getattr(owner, name), []

    def failing(*args):
        calls.append(threading.current_thread())
        if len(calls) == (5 if whole_update else 90):
            raise ArithmeticError("a fault in the training thread")
        return call(*args)

    run = quiet(save_every_steps=80)
    options = TOY_RUN | {"seeds": (5, 3), "total_steps": 260}
    before = threading.active_count()
    with monkeypatch.context() as patch, pytest.raises(ArithmeticError, match="training thread"):
        patch.setattr(owner, name, failing)
        td7.train("Toy/Wandering-v0", run=run, **options)
    assert calls[-1] is not threading.main_thread()
    assert threading.active_count() == before
    assert no_step_is_lost(run.out)
    counters = json.loads((run.out / "state" / "counters.json").read_text())
    assert any(counters["updates"])
    assert td7.resume(run.out, run=run).finished
    if not whole_update:  # nothing of the broken update was saved: it is as if it had not been
        td7.train("Toy/Wandering-v0", run=quiet("wanted"), **options)
        assert_same(run.out, quiet("wanted").out)


@pytest.mark.parametrize("num_envs", [1, 3])
@pytest.mark.parametrize("name", ["step", "reset"])
def test_an_environment_that_raises_is_named_with_its_line(name, num_envs, quiet, monkeypatch):
    call, calls, run = getattr(toy_envs.Point, name), [], quiet()
    config = dataclasses.replace(
        TOY_RUN["config"], num_envs=num_envs, assessment_episodes=num_envs, eval_every=1000
    )

    def failing(env, *args, **kwargs):
        calls.append(1)
        if len(calls) == (480 if name == "step" else 12):
            raise KeyError("a sensor")
        return call(env, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(toy_envs.Point, name, failing)
        text = rf"Toy/Point-v0: {name} of simulation \d raised KeyError: 'a sensor' "
        with pytest.raises(RuntimeError, match=text + r"\(test_faults.py, line \d+\)$") as error:
            td7.train("Toy/Point-v0", run=run, **TOY_RUN | {"config": config, "total_steps": 500})
    assert isinstance(error.value.__cause__, KeyError)
    assert no_step_is_lost(run.out)
    assert json.loads((run.out / "state" / "counters.json").read_text())["updates"][0] > 0
    assert td7.resume(run.out, run=run).finished


@pytest.mark.parametrize("fault", ["raises", "nan"])
def test_an_evaluation_that_fails_is_named_and_made_on_other_episodes(fault, quiet, monkeypatch):
    """One start of the evaluation's fails for ever, so that the same episodes never would do."""
    evaluate, reset, run, bad = evaluations.evaluate, toy_envs.Point.reset, quiet(), []
    made = []

    def watched(*args):
        made.append(1)
        return evaluate(*args)

    def failing(env, **kwargs):
        obs, info = reset(env, **kwargs)
        if len(made) == 2 and not bad:
            bad.append(obs.tolist())
        if obs.tolist() in bad:
            if fault == "raises":
                raise ValueError("fell over")
            obs = obs + np.inf
        return obs, info

    monkeypatch.setattr(evaluations, "evaluate", watched)
    monkeypatch.setattr(toy_envs.Point, "reset", failing)
    text = r"^evaluation at env step 200: .*" + (
        r"reset of simulation 0 raised ValueError: fell over \(test_faults"
        if fault == "raises"
        else r"seed 1, simulation 0, step 51 .*first observation must be finite, got \[inf"
    )
    with pytest.raises(RuntimeError, match=text) as error:
        td7.train("Toy/Point-v0", run=run, **TOY_RUN)
    assert isinstance(error.value, SimulationError) == (fault == "nan")
    assert td7.resume(run.out, run=run).finished
    rows = [row for row in read_metrics(run.out) if row["event"] == "evaluation"]
    assert [row["env_steps"] for row in rows] == [0, 200, 300]


def test_an_episode_that_cannot_be_made_again_is_told_and_another_starts(
    quiet, monkeypatch, capsys
):
    run = quiet(progress="plain")
    td7.train("Toy/Point-v0", run=run, **TOY_RUN | {"total_steps": 230})
    calls = []

    def failing(env, action):
        calls.append(1)
        if len(calls) == 10:
            raise OSError("the device does not answer")
        return step(env, action)

    step = toy_envs.Point.step
    monkeypatch.setattr(toy_envs.Point, "step", failing)
    assert td7.resume(run.out, total_steps=300, run=run).finished
    assert "the environment did not go the same way again; a new" in capsys.readouterr().out
    assert no_step_is_lost(run.out)


def out_of_memory(*args, **kwargs):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.\nGPU 0 has ...")


SHORT = r"^cpu has not enough memory \(CUDA out of memory. Tried to allocate 9 GiB.\): fewer seeds"


@pytest.mark.parametrize("part", ["Learners", "open_replays", "Group"])
def test_too_little_memory_at_the_start_makes_no_folder(part, quiet, monkeypatch):
    monkeypatch.setattr(run_state, part, out_of_memory)
    with pytest.raises(RuntimeError, match=SHORT):
        td7.train("Toy/Point-v0", run=quiet("a/run"), **TOY_RUN)
    assert not Path(quiet("a").out).exists()


@pytest.mark.parametrize("at", ["between", "within"])
def test_too_little_memory_in_a_burst_leaves_a_state_to_resume(
    at, whole, quiet, monkeypatch, capsys
):
    owner, name = (HostBatches, "begin") if at == "between" else (MemberAdam, "step")
    call, calls = getattr(owner, name), []

    def failing(*args):
        calls.append(1)
        return (out_of_memory if len(calls) == (2 if at == "between" else 301) else call)(*args)

    run = quiet(save_every_steps=60, progress="plain")
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failing)
        with pytest.raises(RuntimeError, match=SHORT):
            td7.train("Toy/Point-v0", run=run, **TOY_RUN)
    said = "an update was cut in two: the state saved before stays the last one"
    assert (said in capsys.readouterr().out) == (at == "within")
    assert td7.resume(run.out, run=run).finished
    assert_same(run.out, whole)


def test_a_clock_that_jumps_changes_nothing(whole, quiet, monkeypatch):
    rng = random.Random(3)
    monkeypatch.setattr(time, "time", lambda: rng.uniform(0.0, 4e9))
    run = quiet(tensorboard=True, save_every_steps=40)
    td7.train("Toy/Point-v0", run=run, **TOY_RUN)
    assert rng.random() != random.Random(3).random()  # it was asked, if by TensorBoard alone
    assert_same(run.out, whole)
    assert all(0 <= row["time/wall_s"] < 100 for row in read_metrics(run.out))
    assert list((run.out / "tensorboard" / "seed-1").iterdir())


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_metrics_that_lost_their_end_are_resumed_and_plotted(kept, whole, quiet):
    """A loss of power may take the end of a file, and a row in two, that the state counts."""
    run = quiet()
    shutil.copytree(whole, run.out)
    path = run.out / "metrics.jsonl"
    content = path.read_bytes()
    rows = content[: round(kept * len(content))].splitlines(keepends=True)
    rows[-1] = rows[-1][: len(rows[-1]) // 2]
    path.write_bytes(b"".join(rows))
    evaluation_curves(run.out)
    assert td7.resume(run.out, total_steps=400, run=run).finished
    assert path.read_bytes().startswith(b"".join(rows[:-1]))
    steps, _ = evaluation_curves(run.out)
    assert steps[-1] == 400
    assert read_metrics(run.out)[-1]["env_steps"] == 400


def test_rows_are_on_the_disk_before_a_state_that_counts_them(quiet, monkeypatch):
    synced, fsync = [], os.fsync

    def watched(descriptor):
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        return fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    td7.train("Toy/Point-v0", run=quiet(), **TOY_RUN | {"total_steps": 60})
    saved = synced.index("counters.json.partial")
    assert "metrics.jsonl" in synced[:saved]
