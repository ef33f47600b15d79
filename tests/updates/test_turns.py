"""Half of the members collect while the other half train: nobody's result changes."""

import json
import os
import signal
import threading
import time

import pytest
import torch

import td7
import toy_envs
from td7.envs import SimulationError
from td7.run import state as run_state
from td7.run.metrics import read_metrics
from td7.training import loop
from td7.updates.groups import Group
from td7.updates.learner import NonFiniteLossError

SEEDS = (5, 3, 4)


@pytest.fixture
def in_two_turns(monkeypatch):
    """Let runs have two turns of groups of at most two, as on a GPU."""
    monkeypatch.setattr(run_state, "group_size", lambda settings: 2)
    monkeypatch.setattr(run_state, "turns", lambda settings, size: [range(2), range(2, 3)])


def saved(run):
    """Return what a run leaves, by file, without the times and the order of members' rows."""
    state = run.out / "state"
    files = {
        p.name: p.read_bytes() for p in state.iterdir() if p.suffix in (".bin", ".safetensors")
    }
    counters = json.loads((state / "counters.json").read_text())
    rows = [
        {key: value for key, value in row.items() if not key.startswith("time/")}
        for row in read_metrics(run.out)
    ]
    rows.sort(key=lambda row: (row["seed"], row["env_steps"], row["event"]))
    return files, counters["members"], counters["updates"], rows


@pytest.mark.parametrize("place", ["host", "device"])
@pytest.mark.parametrize("use_checkpoints", [True, False])
def test_turns_change_nobodys_result(place, use_checkpoints, small_config, quiet, monkeypatch):
    monkeypatch.setattr(run_state, "group_size", lambda settings: 2)
    total = 400 if use_checkpoints else 220
    config = small_config(
        assessment_episodes=2, replay=place, use_checkpoints=use_checkpoints, late_after_updates=90
    )
    results = []
    for turns in ([range(3)], [range(2), range(2, 3)]):
        monkeypatch.setattr(run_state, "turns", lambda settings, size, turns=turns: turns)
        run = quiet(f"{len(turns)}-turns")
        td7.train("Toy/Wandering-v0", seeds=SEEDS, total_steps=total, config=config, run=run)
        results.append(saved(run))
    assert results[0] == results[1]


def test_one_turn_collects_while_the_other_trains(in_two_turns, small_config, quiet, monkeypatch):
    train, collect, threads = Group.train, loop.collect, {}
    training, collecting = threading.Event(), threading.Event()

    def watched_train(group, debts, *arguments):
        threads["train"] = threading.get_ident()
        training.set()
        if len(debts) == 2:
            assert collecting.wait(60)  # comes only if the other turn may collect meanwhile
        return train(group, debts, *arguments)

    def watched_collect(run, turn, *arguments):
        threads["collect"] = threading.get_ident()
        if len(turn) == 1 and training.is_set():
            collecting.set()
        return collect(run, turn, *arguments)

    monkeypatch.setattr(Group, "train", watched_train)
    monkeypatch.setattr(loop, "collect", watched_collect)
    td7.train("Toy/Point-v0", seeds=SEEDS, total_steps=300, config=small_config(), run=quiet())
    assert threads["train"] != threads["collect"]
    assert collecting.is_set()


def test_a_stop_in_either_turn_goes_on_as_if_unbroken(
    in_two_turns, small_config, quiet, monkeypatch
):
    whole, run = quiet("whole"), quiet("cut")
    options = {"seeds": SEEDS, "config": small_config()}
    td7.train("Toy/Point-v0", total_steps=400, run=whole, **options)
    make_one, calls = Group._update, []

    def interrupted(trainer, with_actor):
        calls.append(1)
        if len(calls) in (20, 70):  # in the burst of the first turn, and of the second
            os.kill(os.getpid(), signal.SIGTERM)  # the main thread takes it, whoever trains
            time.sleep(0.2)
        return make_one(trainer, with_actor)

    monkeypatch.setattr(Group, "_update", interrupted)
    assert not td7.train("Toy/Point-v0", total_steps=400, run=run, **options).finished
    assert not td7.resume(run.out, run=run).finished
    assert td7.resume(run.out, run=run).finished
    for seed in SEEDS:
        ours, wanted = (evaluations(each, seed) for each in (run, whole))
        assert ours == wanted


def evaluations(run, seed):
    rows = [row for row in read_metrics(run.out) if row["event"] == "evaluation"]
    return [(row["env_steps"], row["returns"]) for row in rows if row["seed"] == seed]


def test_an_error_of_one_turn_lets_the_other_finish_its_burst(in_two_turns, small_config, quiet):
    run = quiet()
    with pytest.raises(SimulationError, match=r"step 333 .*reward must be finite"):
        td7.train("Toy/InfReward-v0", seeds=SEEDS, total_steps=1000, config=small_config(), run=run)
    counters = json.loads((run.out / "state" / "counters.json").read_text())
    assert [member["debt"] for member in counters["members"]] == [0, 0, 0]
    assert all(counters["updates"])


def test_a_failed_loss_ends_the_run_with_its_state_saved(
    in_two_turns, small_config, quiet, monkeypatch
):
    run, step = quiet(), Group._update
    calls = []

    def poisoned(trainer, with_actor):
        calls.append(1)
        if len(calls) == 30:
            with torch.no_grad():
                trainer.learner.nets.critic.q3.bias[0] = torch.nan
        return step(trainer, with_actor)

    monkeypatch.setattr(Group, "_update", poisoned)
    with pytest.raises(NonFiniteLossError, match=r"seed .: the critic loss of update .* got nan"):
        td7.train("Toy/Point-v0", seeds=SEEDS, total_steps=400, config=small_config(), run=run)
    assert (run.out / "state" / "manifest.json").exists()


def test_environments_that_change_torchs_default_type_leave_the_other_turn_alone(
    in_two_turns, small_config, quiet, monkeypatch
):
    options = {"seeds": SEEDS, "total_steps": 300, "config": small_config()}
    td7.train("Toy/Point-v0", run=quiet("wanted"), **options)
    step = toy_envs.Point.step

    def changing(env, action):
        torch.set_default_dtype(torch.float64)
        time.sleep(0.0005)  # the other turn trains meanwhile
        return step(env, action)

    monkeypatch.setattr(toy_envs.Point, "step", changing)
    td7.train("Toy/Point-v0", run=quiet("changed"), **options)
    assert torch.get_default_dtype() == torch.float32
    assert saved(quiet("changed")) == saved(quiet("wanted"))
