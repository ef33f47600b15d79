"""Runs on native tasks and on tasks of one's own: what must not change a result does not."""

import shutil
from pathlib import Path

import pytest

import task_twin
import td7
from td7.cli import main
from td7.envs import GymnasiumSimulations
from td7.rollout import native
from td7.rollout import open as opened
from td7.rollout.stepped import SteppedRollouts
from td7.training.metrics import read_metrics

CRAWLER = f"{Path(task_twin.__file__)}:Crawler"
FILES = ("learner.safetensors", "replay.bin")


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


def test_a_native_id_runs_in_c_and_another_ones_of_that_name_does_not(monkeypatch):
    import gymnasium

    assert isinstance(opened.open_rollouts("Hopper-v5", [0], 1), native.NativeRollouts)
    spec = gymnasium.registry["Hopper-v5"]
    monkeypatch.setitem(
        gymnasium.registry,
        "Hopper-v5",
        gymnasium.envs.registration.EnvSpec("Hopper-v5", entry_point="toy_envs:Point"),
    )
    rollouts = opened.open_rollouts("Hopper-v5", [0], 1)
    assert isinstance(rollouts, SteppedRollouts)
    assert isinstance(rollouts.simulations, GymnasiumSimulations)
    assert rollouts.observation_space.shape == (3,)
    assert spec is not gymnasium.registry["Hopper-v5"]


@pytest.mark.parametrize("env", ["Hopper-v5", CRAWLER], ids=["native", "task"])
def test_a_run_that_is_stopped_goes_on_and_keeps_every_step(env, small_config, tmp_path):
    config = small_config(num_envs=3, assessment_episodes=3)
    train(env, tmp_path / "run", config, total_steps=250)
    run = td7.RunConfig(tensorboard=False, progress="none")
    result = td7.resume(tmp_path / "run", total_steps=500, run=run)
    assert result.finished
    assert [row["env_steps"] for row in read_metrics(tmp_path / "run")][-1] == 500


def test_a_task_of_ones_own_is_trained_evaluated_and_exported(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("reach_arm.py", "reach_arm.xml"):
        shutil.copy(Path(td7.__file__).parent / "examples" / name, tmp_path / name)
    small = "--embedding-size 8 --encoder-hidden 16 --critic-hidden 16 --actor-hidden 16".split()
    for command in (
        "train --env reach_arm.py:ReachArm --out run --warmup-steps 200 --total-steps 600 "
        "--batch-size 16 --num-envs 2 --assessment-episodes 2 --progress none",
        "eval run --episodes 3",
        "export run -o bundle",
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
        ("nowhere.py:MyTask", "task 'nowhere.py:MyTask': there is no file"),
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
