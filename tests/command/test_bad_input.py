"""Bad input is refused by name, saying what was wanted and what was given."""

import re

import pytest

import td7
from td7.cli import main, parse_seeds
from td7.deploy.export import export
from td7.envs import make_env


@pytest.mark.parametrize(
    ("env_id", "message"),
    [
        ("NoSuchEnv-v0", "env must be a known Gymnasium id, got 'NoSuchEnv-v0'"),
        ("CartPole-v1", "CartPole-v1: action space must be a 1-D Box, got Discrete(2)"),
        (
            "Toy/DiscreteAction-v0",
            "Toy/DiscreteAction-v0: action space must be a 1-D Box, got Discrete(3)",
        ),
        (
            "Toy/DictObs-v0",
            "Toy/DictObs-v0: observation space must be a 1-D Box, got Dict('position'",
        ),
        ("Toy/ImageObs-v0", "Toy/ImageObs-v0: observation space must be a 1-D Box, got Box(0.0"),
        (
            "Toy/UnboundedAction-v0",
            "Toy/UnboundedAction-v0: action space must have finite bounds, got Box(-inf",
        ),
        (
            "Toy/IntegerAction-v0",
            "Toy/IntegerAction-v0: action space must be of floats, got Box(0, 10, (2,), int64)",
        ),
    ],
)
def test_an_environment_that_cannot_be_trained_is_named_with_its_space(env_id, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make_env(env_id)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"total_steps": 0}, "total_steps must be at least 1, got 0"),
        ({"total_steps": -5}, "total_steps must be at least 1, got -5"),
        ({"device": "cuda:7"}, "device must be there, got 'cuda:7'"),
        ({"device": "abacus"}, "device must be there, got 'abacus'"),
        ({"seeds": []}, "seeds must be distinct and not negative, got []"),
        ({"seeds": [1, 1]}, "seeds must be distinct and not negative, got [1, 1]"),
        ({"seeds": [-1]}, "seeds must be distinct and not negative, got [-1]"),
    ],
)
def test_train_refuses_a_bad_argument_before_it_makes_a_folder(
    changes, message, small_config, quiet, tmp_path
):
    arguments = {"total_steps": 100, "config": small_config(), "run": quiet(), **changes}
    with pytest.raises(ValueError, match=re.escape(message)):
        td7.train("Toy/Point-v0", **arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("field", "value", "error", "message"),
    [
        ("discount", 1.5, ValueError, "TD7Config.discount must be at least 0.0 and at most 1.0"),
        ("batch_size", 0, ValueError, "TD7Config.batch_size must be at least 1, got 0"),
        ("batch_size", 2.0, TypeError, "TD7Config.batch_size must be an int, got 2.0"),
        ("use_checkpoints", 1, TypeError, "TD7Config.use_checkpoints must be a bool, got 1"),
        ("actor_lr", "fast", TypeError, "TD7Config.actor_lr must be a float, got 'fast'"),
        (
            "target_policy_noise",
            float("inf"),
            ValueError,
            "target_policy_noise must be finite",
        ),
        ("actor_lr", float("nan"), ValueError, "TD7Config.actor_lr must be at least 0.0"),
    ],
)
def test_a_setting_of_the_wrong_type_or_range_is_refused(field, value, error, message):
    with pytest.raises(error, match=re.escape(message)):
        td7.TD7Config(**{field: value})


def test_a_folder_that_holds_a_run_is_refused_until_told_to_overwrite(small_config, quiet):
    arguments = {"total_steps": 10, "config": small_config()}
    td7.train("Toy/Point-v0", run=quiet(), **arguments)
    with pytest.raises(FileExistsError, match="already holds a run: continue it with --resume"):
        td7.train("Toy/Point-v0", run=quiet(), **arguments)
    td7.train("Toy/Point-v0", run=quiet(overwrite=True), **arguments)


def test_a_folder_with_something_else_in_it_is_refused(small_config, quiet, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("precious")
    with pytest.raises(FileExistsError, match="exists and holds no run"):
        td7.train("Toy/Point-v0", total_steps=10, config=small_config(), run=quiet(overwrite=True))
    assert (tmp_path / "run" / "thesis.tex").read_text() == "precious"


def test_export_and_resume_of_a_folder_that_is_no_run_are_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no run"):
        export(tmp_path, tmp_path / "bundle")
    with pytest.raises(ValueError, match="holds no run"):
        td7.resume(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": [0.5]}, "seeds and total_steps must be whole numbers"),
        ({"total_steps": 2.5}, "seeds and total_steps must be whole numbers"),
    ],
)
def test_fractions_where_whole_numbers_belong_are_refused(changes, message, small_config, quiet):
    arguments = {"total_steps": 100, "config": small_config(), "run": quiet(), **changes}
    with pytest.raises(TypeError, match=message):
        td7.train("Toy/Point-v0", **arguments)


def test_a_refused_run_leaves_the_one_that_it_would_replace(small_config, quiet):
    td7.train("Toy/Point-v0", total_steps=10, config=small_config(), run=quiet())
    with pytest.raises(ValueError, match="device must be there"):
        td7.train("Toy/Point-v0", device="abacus", run=quiet(overwrite=True))
    assert td7.resume(quiet().out, total_steps=20, run=quiet()).finished


def test_resume_takes_no_other_setting(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["train", "--resume", str(tmp_path), "--batch-size", "512"])
    assert "--resume goes on with the run's own settings" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "a", "1,", "1:2:3", "0-3", "5:3"])
def test_seeds_that_do_not_parse_are_refused(text):
    with pytest.raises(ValueError, match="seeds must be like 3, 0,1,5 or 0:10, got"):
        parse_seeds(text)


def test_the_command_line_says_one_line_and_exits_1(capsys, tmp_path):
    with pytest.raises(SystemExit) as exit_info:
        main(["export", str(tmp_path), "-o", str(tmp_path / "bundle")])
    assert exit_info.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("td7: error: ")
    assert error.count("\n") == 1


def test_misuse_of_the_command_line_exits_2(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["train", "--no-such-flag"])
    assert exit_info.value.code == 2
