"""The policies of a run folder are those of its state: after every save, stop, error and kill."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from test_resume import assert_same, stop_after

import td7
from conftest import TOY_RUN
from td7.cli import main
from td7.deploy.export import export
from td7.envs import SimulationError
from td7.policy.saved import Policy
from td7.run import saving
from td7.run.folder import policy_folder
from td7.run.policies import policy_of_run
from td7.run.saving import latest
from td7.training.evaluate import evaluate_run

__all__ = ["stop_after"]  # a fixture
PROGRAM = """
import sys, signal
sys.path.insert(0, sys.argv[1])
import conftest, td7
print("ready", flush=True)
run = td7.RunConfig(out=sys.argv[2], progress="none", tensorboard=False, save_every_steps=7)
td7.train("Toy/Wandering-v0", run=run, **conftest.TOY_RUN | {"total_steps": 4000, "seeds": [1, 2]})
"""


def tells_one_story(run, seeds=(1,)):
    """Compare a run's policies, however they are read, with the counters and weights of its state.

    Returns the updates at which it was saved.
    """
    state = latest(run)
    counters = json.loads((state / "counters.json").read_text())
    weights = load_file(state / "learner.safetensors")
    for member, seed in enumerate(seeds):
        policies = [policy_of_run(run, seed, None)]
        if state.name == "state":  # else a kill came between two renames
            policies.append(td7.load_policy(policy_folder(run, seed)))
        rule = counters["members"][member]["rule"]
        score = None if rule["best_min_return"] == "-inf" else rule["best_min_return"]
        steps = sum(each["steps"] for each in counters["members"][member]["simulations"])
        for policy in policies:
            facts = policy.metadata
            assert facts["updates"] == counters["updates"][member]
            assert (facts["env_steps"], facts["checkpoint_score"]) == (steps, score)
            wanted = weights["checkpoint_actor.l0.weight"][member].T
            assert torch.equal(policy.module.actor.l0.weight, wanted)
    return counters["updates"][0]


def test_a_run_stopped_at_any_moment_has_the_policy_of_its_state(quiet, stop_after):
    rng, seen, run = random.Random(5), set(), quiet()
    stop_after(*(rng.randrange(1, 250) for _ in range(20)))
    td7.train("Toy/Point-v0", run=run, **TOY_RUN | {"total_steps": 3000})
    seen.add(tells_one_story(run.out))
    for _ in range(19):
        td7.resume(run.out, run=run)
        seen.add(tells_one_story(run.out))
    assert len(seen) > 10


def test_a_run_stopped_before_its_first_evaluation_is_evaluated_and_exported(
    quiet, stop_after, tmp_path, capsys
):
    run = quiet()
    stop_after(0)
    assert not td7.train("Toy/Point-v0", run=run, **TOY_RUN).finished
    tells_one_story(run.out)
    (score,) = evaluate_run(run.out, episodes=1)
    assert str(score).endswith(
        "over 1 episodes; policy saved at: updates 0, env steps 0, no checkpoint score yet"
    )
    for which in ("checkpoint", "current"):
        bundle = ["-o", str(tmp_path / which), f"--which={which}", "--format=cpp", "--untrained"]
        with pytest.raises(SystemExit) as ended:
            main(["export", str(run.out), *bundle])
        assert ended.value.code == 0
        assert f"policy: seed 1 ({which}), saved at: updates 0, env" in capsys.readouterr().out


def test_evaluation_and_export_say_which_update_and_score_they_use(whole, tmp_path, capsys):
    facts = td7.load_policy(policy_folder(whole, 1)).metadata
    moment = (
        f"saved at: updates {facts['updates']}, env steps 300, "
        f"checkpoint score {facts['checkpoint_score']:.1f}\n"
    )
    for command in (
        ["eval", "--episodes=1"],
        ["export", f"--out={tmp_path / 'bundle'}", "--format=cpp"],
    ):
        with pytest.raises(SystemExit) as ended:
            main([*command, str(whole)])
        assert ended.value.code == 0
        assert moment in capsys.readouterr().out


def test_a_run_that_fails_has_the_policy_of_the_state_that_it_saves(quiet):
    run = quiet()
    with pytest.raises(SimulationError):
        td7.train("Toy/NanObs-v0", run=run, **TOY_RUN | {"total_steps": 500})
    assert tells_one_story(run.out) > 0


def test_a_save_that_fails_leaves_the_policy_of_the_state_before(quiet, monkeypatch):
    run, save, saves = quiet(save_every_steps=40), Policy.save, []

    def failing(policy, folder):
        saves.append(1)
        if len(saves) > 4:
            raise OSError("the disk is full")
        save(policy, folder)

    with monkeypatch.context() as patch:
        patch.setattr(Policy, "save", failing)
        with pytest.raises(OSError, match="could not be saved, and the last one stays: the disk"):
            td7.train("Toy/Point-v0", run=run, **TOY_RUN)
    assert tells_one_story(run.out) < 200
    assert td7.resume(run.out, run=run).finished
    tells_one_story(run.out)


@pytest.mark.parametrize("renamed", ["state", "state.partial"])
def test_a_kill_between_the_renames_of_a_save_leaves_the_policy_of_the_latest_state(
    renamed, quiet, monkeypatch
):
    run, rename = quiet(), Path.rename
    td7.train("Toy/Point-v0", run=run, **TOY_RUN)
    updates = tells_one_story(run.out)

    def killed(path, target):
        if path.name == renamed:
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            td7.resume(run.out, total_steps=400, run=run)
    assert tells_one_story(run.out) == updates
    assert td7.resume(run.out, run=run).finished
    assert tells_one_story(run.out) > updates


def test_a_killed_run_has_the_policy_of_its_state(tmp_path):
    rng, seen = random.Random(2), 0
    for number in range(3):
        folder = tmp_path / f"run-{number}"
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", PROGRAM, str(Path(__file__).parents[1]), folder],
            stdout=subprocess.PIPE,
        )
        assert process.stdout.readline() == b"ready\n"
        deadline = time.monotonic() + 60
        metrics = folder / "metrics.jsonl"
        while not (metrics.exists() and '"round"' in metrics.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(rng.uniform(0.2, 1.5))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        seen += tells_one_story(folder, seeds=(1, 2))
    assert seen > 0


def test_a_policy_that_is_read_while_its_run_saves_is_always_whole(tmp_path):
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(Path(__file__).parents[1]), folder],
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not policy_folder(folder, 2).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        updates = set()
        for _ in range(200):
            updates.add(td7.load_policy(policy_folder(folder, 2)).metadata["updates"])
            updates.add(policy_of_run(folder, 2, None).metadata["updates"])
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def older(whole, tmp_path):
    """A run folder as an earlier td7 left it: the policy in policy/ alone."""
    folder = tmp_path / "older"
    shutil.copytree(whole, folder)  # follows the link
    assert not policy_folder(folder, 1).is_symlink()
    for state in ("state", "state.old"):
        shutil.rmtree(folder / state / "policy", ignore_errors=True)
        if (folder / state).exists():
            (folder / state / "manifest.json").unlink()
            saving.write_manifest(folder / state, saving.SCHEMA)
    return folder


def test_a_run_folder_of_an_earlier_td7_is_read_and_gets_its_state_s_policy(older, quiet, tmp_path):
    (score,) = evaluate_run(older, episodes=1)
    assert re.search(r"saved at: updates \d+, env steps 300, checkpoint score", str(score))
    export(older, tmp_path / "bundle", formats=["cpp"])
    assert td7.resume(older, total_steps=400, run=quiet(out=None)).finished
    assert policy_folder(older, 1).is_symlink()
    assert tells_one_story(older) > 0


def test_a_state_of_another_td7_leaves_its_policies_readable(whole, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder, symlinks=True)
    manifest = folder / "state" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("td7.state/4", "td7.state/9"))
    assert policy_of_run(folder, 1, None).metadata["env_steps"] == 300
    with pytest.raises(ValueError, match=r"schema must be td7.state/4, got 'td7.state/9'"):
        policy_of_run(folder, 1, "current")


def test_files_of_the_user_beside_an_earlier_td7_s_policy_are_left(older, quiet):
    notes = policy_folder(older, 1) / "notes.txt"
    notes.write_text("mine")
    with pytest.raises(OSError, match=r"policy/seed-1 .*holds notes\.txt, which td7 did not write"):
        td7.resume(older, total_steps=400, run=quiet(out=None))
    assert notes.read_text() == "mine"
    tells_its_state = policy_of_run(older, 1, None).metadata
    assert tells_its_state["env_steps"] == 400
    notes.unlink()
    td7.resume(older, run=quiet(out=None))
    tells_one_story(older)


def test_an_altered_policy_of_a_state_is_refused_by_the_name_of_the_file(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run", symlinks=True)
    shutil.rmtree(tmp_path / "run" / "state.old", ignore_errors=True)
    facts = policy_folder(tmp_path / "run" / "state", 1) / "policy.json"
    facts.write_text(facts.read_text().replace('"updates": ', '"updates": 1'))
    with pytest.raises(ValueError, match=r"state/policy/seed-1/policy\.json is not as it was"):
        policy_of_run(tmp_path / "run", 1, None)


def test_a_run_without_any_state_says_that_it_has_no_policy(whole, tmp_path):
    (tmp_path / "run").mkdir()
    shutil.copy(whole / "config.json", tmp_path / "run")
    with pytest.raises(ValueError, match=r"run has no policy yet: no state was saved"):
        evaluate_run(tmp_path / "run")


def test_a_run_whose_policies_were_copied_resumes_like_any_other(whole, quiet, tmp_path):
    shutil.copytree(whole, tmp_path / "copy")
    for folder in (tmp_path / "copy", shutil.copytree(whole, tmp_path / "linked", symlinks=True)):
        td7.resume(folder, total_steps=400, run=quiet(out=None))
        tells_one_story(folder)
    assert_same(tmp_path / "copy", tmp_path / "linked")
