"""Environments without a time limit, and limits of one's own: every command ends."""

import time
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import task_twin
import torch

import td7
from td7.cli import main
from td7.datasets.record import collect
from td7.deploy.export import export
from td7.envs import GymnasiumSimulations
from td7.policy.module import SalePolicy
from td7.policy.native import NativePolicy
from td7.rollout import open_rollouts
from td7.rollout.stepped import SteppedRollouts
from td7.run.folder import read_settings
from td7.run.metrics import read_metrics
from td7.training.evaluate import evaluate_run

CRAWLER = f"{Path(task_twin.__file__)}:Crawler"


@pytest.fixture(scope="module")
def endless(tmp_path_factory):
    """Return the folder of a run whose environment never ends an episode, and what it printed."""
    from conftest import SMALL

    run = td7.RunConfig(out=tmp_path_factory.mktemp("endless") / "run", tensorboard=False)
    config = td7.TD7Config(**SMALL | {"eval_max_steps": 70})
    td7.train("Toy/Endless-v0", seeds=[1], total_steps=300, config=config, run=run)
    return run.out


def test_evaluations_without_a_time_limit_are_cut_and_say_so(small_config, quiet, capsys):
    config = small_config(eval_max_steps=70)
    run = quiet(progress="plain")
    assert td7.train("Toy/Endless-v0", total_steps=300, config=config, run=run).finished
    lengths = [r["eval/mean_ep_length"] for r in read_metrics(run.out) if "returns" in r]
    assert lengths == [70, 70, 70]
    printed = capsys.readouterr().out
    assert "Episodes of evaluations are cut after 70 steps (--eval-max-steps)" in printed
    assert printed.count("2 of 2 episodes were cut after 70 steps (--eval-max-steps)") == 1


def test_an_evaluation_is_cut_after_100_000_steps_unless_told_otherwise():
    assert td7.TD7Config().eval_max_steps == 100_000


def test_a_command_on_a_run_without_a_time_limit_ends(endless, tmp_path, capsys):
    (score,) = evaluate_run(endless, episodes=3)
    assert "3 of 3 episodes were cut after 70 steps (--eval-max-steps)" in str(score)
    main_ok("eval", str(endless), "--episodes", "2", "--eval-max-steps", "30")
    assert "2 of 2 episodes were cut after 30 steps" in capsys.readouterr().out
    assert collect(endless, tmp_path / "a-v0", steps=500).episodes == 8  # 7 of 70 steps, and 10
    assert collect(endless, tmp_path / "b-v0", steps=90, max_steps=30).episodes == 3
    begun = time.monotonic()
    export(endless, tmp_path / "bundle", formats=["torchscript"], untrained=True)
    main_ok("verify", str(tmp_path / "bundle"), "--env", "Toy/Endless-v0")
    assert time.monotonic() - begun < 60


def zeros(obs_size, action_size):
    module = SalePolicy(obs_size, action_size, 8, 8, 8)
    for parameter in module.parameters():
        parameter.zero_()
    return module


def main_ok(*arguments):
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 0


@pytest.mark.parametrize("env", ["Toy/Endless-v0", "Toy/Point-v0", "HalfCheetah-v5", CRAWLER])
def test_a_limit_of_the_run_truncates_episodes_of_training_and_evaluation(env, small_config, quiet):
    run, config = quiet(), small_config(max_episode_steps=40)
    td7.train(env, seeds=[1], total_steps=200, config=config, run=run)
    lengths = {r["eval/mean_ep_length"] for r in read_metrics(run.out) if "returns" in r}
    assert lengths == {40}
    assert read_settings(run.out).config.max_episode_steps == 40
    (score,) = evaluate_run(run.out, episodes=2)
    assert score.cut == ""
    rounds = [r["rollout/ep_len_mean"] for r in read_metrics(run.out) if r["event"] == "round"]
    assert rounds and set(rounds) == {40}
    assert td7.resume(run.out, total_steps=250, run=run).finished


def test_an_episode_at_its_limit_is_truncated_and_not_terminated():
    rollouts = open_rollouts("Toy/Endless-v0", [1], 1, max_episode_steps=40)
    module = zeros(3, 2)
    module.low.copy_(torch.tensor([-1.0, 0.0]))
    module.high.copy_(torch.tensor([3.0, 0.5]))
    rollouts.run([NativePolicy(module)], np.full((1, 1), 100), ["random"], lambda: False)
    assert rollouts.episode(0, 0).length == 40
    assert rollouts.episode(0, 0).ended
    assert not rollouts.rows(0, 0).terminated
    assert rollouts.max_episode_steps == 40


@pytest.mark.parametrize("limit", [30, 1500])
def test_a_native_task_has_its_limit_replaced_as_gymnasium_does(limit):
    native = open_rollouts("HalfCheetah-v5", [1], 1, max_episode_steps=limit)
    simulations = GymnasiumSimulations("HalfCheetah-v5", 1, 64, limit)
    stepped = SteppedRollouts(simulations, [1], 1, 0.0, True, 0)
    policy = NativePolicy(zeros(17, 6))
    for rollouts in (native, stepped):
        rollouts.run([policy], np.full((1, 1), 2000), ["random"], lambda: False)
    assert native.episode(0, 0) == stepped.episode(0, 0)
    assert native.episode(0, 0).length == limit
    stepped.close()


def test_a_run_that_starts_from_another_keeps_its_time_limit(small_config, quiet):
    config = small_config(max_episode_steps=40)
    td7.train("Toy/Endless-v0", total_steps=200, config=config, run=quiet())
    run = quiet("second")
    td7.train_from(quiet().out, total_steps=100, config=small_config(), run=run)
    assert read_settings(run.out).config.max_episode_steps == 40


def test_an_environment_without_a_limit_is_registered_here():
    assert gymnasium.spec("Toy/Endless-v0").max_episode_steps is None
