"""A real robot can be opened once: collection and evaluation share one environment."""

import pytest
import task_twin
from test_resume import assert_same, stop_after  # noqa: F401

import td7
from td7.cli import main
from td7.datasets.record import collect
from td7.run.metrics import read_metrics
from td7.run.state import RunState
from td7.study.plot import evaluation_curves
from td7.training.evaluate import evaluate_run
from toy_envs import Robot

ROBOT = "Toy/Robot-v0"
SHARED = {"eval_in_training_env": True}
NONE = {"eval_episodes": 0}


@pytest.fixture(autouse=True)
def closed():
    Robot.opened = Robot.openings = Robot.broken_off = 0


def evaluations(folder):
    return [row for row in read_metrics(folder) if row["event"] == "evaluation"]


def test_a_robot_is_opened_again_for_evaluations_unless_told_otherwise(small_config, quiet):
    with pytest.raises(OSError, match="address in use"):
        td7.train(ROBOT, total_steps=300, config=small_config(), run=quiet())


@pytest.mark.parametrize("use_checkpoints", [True, False])
@pytest.mark.parametrize("changes", [SHARED, NONE], ids=["shared", "none"])
def test_a_robot_is_opened_once_to_train_resume_evaluate_and_collect(
    changes, use_checkpoints, small_config, quiet, tmp_path
):
    run = quiet()
    config = small_config(use_checkpoints=use_checkpoints, **changes)
    td7.train(ROBOT, seeds=[1], total_steps=300, config=config, run=run)
    assert Robot.openings == 1
    assert td7.resume(run.out, total_steps=500, run=run).finished
    assert Robot.openings == 2
    (score,) = evaluate_run(run.out, episodes=3)
    assert len(set(score.returns)) == 3
    assert Robot.openings == 3
    collect(run.out, tmp_path / "robot-v0", steps=60)
    assert Robot.openings == 4
    assert bool(evaluations(run.out)) is (changes is SHARED)
    with pytest.raises(ValueError, match="policy must not be mixture"):
        collect(run.out, tmp_path / "mixed-v0", steps=60, policy="mixture")


@pytest.mark.parametrize("use_checkpoints", [True, False])
def test_an_evaluation_in_the_training_environment_waits_for_the_end_of_an_episode(
    use_checkpoints, small_config, quiet
):
    config = small_config(use_checkpoints=use_checkpoints, eval_every=50, **SHARED)
    td7.train(ROBOT, seeds=[1], total_steps=402, config=config, run=quiet())
    rows = evaluations(quiet().out)
    assert [row["env_steps"] for row in rows] == [*range(0, 402, 50), 402]
    assert all(len(row["returns"]) == 2 for row in rows)
    assert Robot.broken_off <= 1  # by the evaluation at the last step, where no step is left


def test_steps_of_evaluations_are_not_collected(small_config, quiet):
    config = small_config(eval_every=50, **SHARED)
    result = td7.train(ROBOT, seeds=[1], total_steps=400, config=config, run=quiet())
    (policy,) = result.policies.values()
    assert policy.metadata["env_steps"] == 400
    assert policy.metadata["updates"] <= 400


def test_an_assessment_knows_nothing_of_an_evaluation_within_it(small_config, quiet, monkeypatch):
    """Its episodes are counted as they were collected, and its policy stays the same."""
    config = small_config(eval_every=10, assessment_episodes=4, **SHARED)
    counted, assess = [], RunState.assess

    def noted(run, member, episodes):
        counted.extend(episodes)
        assess(run, member, episodes)

    monkeypatch.setattr(RunState, "assess", noted)
    td7.train(ROBOT, seeds=[1], total_steps=400, config=config, run=quiet())
    evaluated = {value for row in evaluations(quiet().out) for value in row["returns"]}
    assert counted
    assert not evaluated & {episode.episode_return for episode in counted}


CASES = {
    "checkpoints": (ROBOT, {}),
    "waves": ("Toy/Wandering-v0", {"num_envs": 3, "assessment_episodes": 4}),
    "steps": (ROBOT, {"use_checkpoints": False}),
    "steps-of-two": ("Toy/Wandering-v0", {"use_checkpoints": False, "num_envs": 2}),
    "native": ("Hopper-v5", {"num_envs": 2, "assessment_episodes": 3}),
    "task": (f"{task_twin.__file__}:Crawler", {"assessment_episodes": 2}),
    "none": (ROBOT, {"eval_episodes": 0, "eval_in_training_env": False}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_stopped_run_in_one_environment_ends_as_an_unbroken_one(
    case,
    small_config,
    quiet,
    stop_after,  # noqa: F811
):
    env, changes = CASES[case]
    config = small_config(**{"eval_every": 60} | SHARED | changes)
    options = {"seeds": [1], "total_steps": 420, "config": config}
    td7.train(env, run=quiet("whole"), **options)
    run = quiet("cut")
    stop_after(40, 150, 7, 90, 333, 11, 60)
    assert not td7.train(env, run=run, **options).finished
    while not td7.resume(run.out, run=run).finished:
        pass
    assert_same(run.out, quiet("whole").out)


def test_a_run_without_evaluations_shows_its_assessments_as_the_curve(small_config, quiet, capsys):
    run = quiet(progress="plain")
    config = small_config(eval_every=50, **NONE)
    td7.train("Toy/Wandering-v0", seeds=[1, 2], total_steps=500, config=config, run=run)
    assert "  return " in capsys.readouterr().out
    steps, curves = evaluation_curves(run.out)
    assert len(steps) > 3
    assert curves.keys() == {1, 2}
    with pytest.raises(SystemExit) as exit_info:
        main(["plot", str(run.out), "-o", str(run.out / "curve.png")])
    assert exit_info.value.code == 0


def test_evaluations_in_the_training_environment_need_an_episode():
    with pytest.raises(ValueError, match=r"eval_in_training_env must be False where eval_episodes"):
        td7.TD7Config(eval_in_training_env=True, eval_episodes=0)
