"""Runs on native tasks and on tasks of one's own: what must not change a result does not."""

import dataclasses
import shutil
import signal
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import task_twin
from gymnasium.wrappers import NormalizeObservation

import td7
from td7.cli import main
from td7.envs import GymnasiumSimulations, SimulationError
from td7.policy.module import SalePolicy
from td7.rollout import open as opened
from td7.rollout import open_rollouts
from td7.rollout.native import NativeRollouts
from td7.rollout.stepped import SteppedRollouts
from td7.run.folder import read_settings
from td7.run.metrics import read_metrics
from td7.run.saving import load_state
from td7.run.state import RunState
from td7.training.evaluate import evaluate

CRAWLER = f"{Path(task_twin.__file__)}:Crawler"
FILES = ("learner.safetensors", "replay-0.bin")


def train(env, folder, config, total_steps=420, **run):
    run = td7.RunConfig(out=folder, tensorboard=False, progress="none", **run)
    return td7.train(env, seeds=[4, 2], total_steps=total_steps, config=config, run=run)


def saved(folder):
    return [(folder / "state" / name).read_bytes() for name in FILES]


def evaluations(folder):
    return [row["returns"] for row in read_metrics(folder) if row["event"] == "evaluation"]


@pytest.mark.parametrize("env", ["Hopper-v5", CRAWLER], ids=["native", "task"])
@pytest.mark.parametrize("use_checkpoints", [True, False])
def test_the_number_of_threads_changes_no_bit_of_a_run(
    env, use_checkpoints, small_config, tmp_path
):
    config = small_config(
        num_envs=3, assessment_episodes=4, use_checkpoints=use_checkpoints, eval_every=150
    )
    for threads in (1, 2):
        assert train(env, tmp_path / str(threads), config, num_threads=threads).finished
    assert saved(tmp_path / "1") == saved(tmp_path / "2")
    assert evaluations(tmp_path / "1") == evaluations(tmp_path / "2")


def test_a_native_run_equals_one_that_is_stepped_over_gymnasium(
    small_config, tmp_path, monkeypatch
):
    config = small_config(num_envs=2, assessment_episodes=3)
    train("Hopper-v5", tmp_path / "native", config)
    monkeypatch.setattr(opened, "is_native", lambda env: False)
    train("Hopper-v5", tmp_path / "stepped", config)
    assert saved(tmp_path / "native") == saved(tmp_path / "stepped")
    assert evaluations(tmp_path / "native") == evaluations(tmp_path / "stepped")


@pytest.mark.parametrize(
    "changes",
    [
        {"entry_point": "toy_envs:Point"},
        {"kwargs": {"frame_skip": 3}},
        {"additional_wrappers": (NormalizeObservation.wrapper_spec(epsilon=1e-8),)},
        {"max_episode_steps": None},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_id_that_was_registered_anew_does_not_run_natively(changes, monkeypatch):
    assert isinstance(open_rollouts("Hopper-v5", [0], 1), NativeRollouts)
    spec = dataclasses.replace(gymnasium.registry["Hopper-v5"], **changes)
    monkeypatch.setitem(gymnasium.registry, "Hopper-v5", spec)
    rollouts = open_rollouts("Hopper-v5", [0], 1)
    assert isinstance(rollouts, SteppedRollouts)
    assert isinstance(rollouts.simulations, GymnasiumSimulations)


@pytest.mark.parametrize("env", ["Hopper-v5", CRAWLER], ids=["native", "task"])
@pytest.mark.parametrize("stop_at", [2, 5])
def test_a_stop_while_episodes_run_keeps_every_step_and_can_go_on(
    env, stop_at, small_config, tmp_path, monkeypatch
):
    config = small_config(num_envs=3, assessment_episodes=3)
    kind = NativeRollouts if env == "Hopper-v5" else SteppedRollouts
    run, waves = kind.run, []

    def interrupted(rollouts, policies, most_steps, behaviours, stopped):
        if "greedy" not in behaviours:
            waves.append(1)
            if len(waves) == stop_at:
                signal.raise_signal(signal.SIGTERM)
        run(rollouts, policies, most_steps, behaviours, stopped)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "run", interrupted)
        assert not train(env, tmp_path / "run", config).finished
    assert steps_and_rows(tmp_path / "run") == [True, True]
    result = td7.resume(tmp_path / "run", run=td7.RunConfig(tensorboard=False, progress="none"))
    assert result.finished
    assert steps_and_rows(tmp_path / "run", wanted=420) == [True, True]


def steps_and_rows(folder, wanted=None):
    """Whether no step that a member has taken is missing."""
    state = RunState(read_settings(folder))
    load_state(state, folder)
    state.collector.cut()  # rows of episodes under way count too
    steps = state.collector.env_steps
    sizes = [state.replays[0].size(member) for member in range(2)]
    state.close()
    return [
        size == taken > 0 and wanted in (None, taken)
        for size, taken in zip(sizes, steps, strict=True)
    ]


@pytest.mark.parametrize("env", ["Hopper-v5", CRAWLER, "Toy/Wandering-v0"])
def test_an_evaluation_that_is_cut_is_made_again_on_the_same_episodes(env):
    returns = []
    for cut in (False, True):
        rollouts = open_rollouts(env, [7], 3, keep_rows=False)
        sizes = rollouts.observation_space.shape[0], rollouts.action_space.shape[0]
        module = SalePolicy(*sizes, 8, 8, 8)
        for parameter in module.parameters():
            parameter.fill_(0.02)
        returns.append([])
        for _ in range(3):
            if cut:
                cut_short(rollouts, module)
            returns[-1] += evaluate(rollouts, 0, module).returns
        rollouts.close()
    assert returns[0] == returns[1]
    assert len(set(returns[0])) > 3


def cut_short(rollouts, module):
    """Begin an evaluation and stop it after some steps."""
    run = rollouts.run

    def a_little(policies, most_steps, behaviours, stopped):
        run(policies, np.minimum(most_steps, 4), behaviours, stopped)

    rollouts.run = a_little
    assert evaluate(rollouts, 0, module, lambda: True) is None
    del rollouts.run


def test_a_member_whose_wave_is_whole_counts_it_when_another_member_fails(
    small_config, tmp_path, monkeypatch
):
    """Seed 2 fails once; what seed 4 has learned in the end is as if it had not."""
    config = small_config(num_envs=2, assessment_episodes=2)
    train("Toy/Ending-v0", tmp_path / "wanted", config)
    step, calls = GymnasiumSimulations.step, []

    def failing(simulations, sims, actions):
        obs, *rest = step(simulations, sims, actions)
        if len(simulations._envs) == 4 and len(sims) == 4:
            calls.append(1)
            if len(calls) == 150:
                obs[sims.tolist().index(2)] = np.nan
        return obs, *rest

    with monkeypatch.context() as patch:
        patch.setattr(GymnasiumSimulations, "step", failing)
        with pytest.raises(SimulationError, match=r"seed 2, simulation 0, step \d+ .*got \[nan"):
            train("Toy/Ending-v0", tmp_path / "run", config)
    td7.resume(tmp_path / "run", run=td7.RunConfig(tensorboard=False, progress="none"))
    mine, wanted = (
        [(row["env_steps"], row["updates"]) for row in read_metrics(folder) if row["seed"] == 4]
        for folder in (tmp_path / "run", tmp_path / "wanted")
    )
    assert mine == wanted


def test_a_task_of_ones_own_is_trained_evaluated_and_exported(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("reach_arm.py", "reach_arm.xml"):
        shutil.copy(Path(td7.__file__).parent / "examples" / name, tmp_path / name)
    small = "--embedding-size 8 --encoder-hidden 16 --critic-hidden 16 --actor-hidden 16".split()
    for command in (
        "train --env reach_arm.py:ReachArm --out run --warmup-steps 200 --total-steps 600 "
        "--batch-size 16 --num-envs 2 --assessment-episodes 2 --progress none",
        "eval run --episodes 3",
        "export run -o bundle --untrained",
        "verify bundle",
    ):
        arguments = command.split() + (small if command.startswith("train") else [])
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0, capsys.readouterr().err
    assert "over 3 episodes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ("nowhere.py:MyTask", "nowhere.py:MyTask': there is no file"),
        (f"{Path(task_twin.__file__)}:Nobody", "has no Nobody; its tasks are: "),
        ("NoSuchEnv-v0", "env must be a known Gymnasium id, got 'NoSuchEnv-v0'"),
    ],
)
def test_an_environment_that_is_not_there_is_named(env, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["train", "--env", env])
    assert ended.value.code == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
