"""Options that would do nothing are refused, whatever their value; idle ones are named."""

import pytest

import td7
from td7.cli import main
from td7.deploy.export import export
from td7.deploy.verify import verify
from td7.run.folder import read_settings
from td7.training.evaluate import evaluate_run
from td7.typed_options import check_options, typed_options


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as exit_info:
        main([str(argument) for argument in arguments])
    assert exit_info.value.code == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    "option",
    [
        ("--seeds", "0"),
        ("--device", "auto"),
        ("--batch-size", "256"),
        ("--batch_size=256",),
        ("--eval-every", "5000"),
        ("--use-checkpoints",),
        ("--no-overwrite",),
        ("--no-keep-replay",),
        ("--num-envs", "1"),
    ],
)
def test_resume_refuses_a_setting_though_it_equals_the_default(option, tmp_path, capsys):
    error = refused(capsys, "train", "--resume", tmp_path, *option)
    name = option[0].split("=")[0].replace("--no-", "--").replace("_", "-")
    assert "--resume goes on with the run's own settings" in error
    assert f"leave out {name}" in error


@pytest.mark.parametrize("option", [("--env", "HalfCheetah-v5"), ("--seeds", "0")])
def test_a_run_from_another_refuses_what_it_takes_from_there(option, whole, capsys):
    error = refused(capsys, "train", "--from", whole, *option)
    assert f"leave out {option[0]}" in error


def test_a_run_from_another_refuses_the_default_size_where_it_differs(whole, tmp_path, capsys):
    error = refused(capsys, "train", "--from", whole, "--out", tmp_path, "--embedding-size", "256")
    assert "TD7Config.embedding_size must be 8" in error
    keep = ("--keep-replay", "--buffer-capacity", "1000000")
    error = refused(capsys, "train", "--from", whole, "--out", tmp_path, *keep)
    assert "TD7Config.buffer_capacity must be 10000" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--env", "A-v0", "--env", "B-v0"), "--env was given 2 times: give it once"),
        (("train", "--eval_every=5", "--eval-every", "5"), "--eval-every was given 2 times"),
        (("train", "--tensorboard", "--no-tensorboard"), "--tensorboard was given 2 times"),
        (("export", "run", "-o", "a", "--out", "b"), "--out was given 2 times"),
        (("eval", "run", "--seed", "1", "--seed", "1"), "--seed was given 2 times"),
        (("train", "--no-keep-replay"), "--keep-replay wants --from"),
        (("train", "--bc-weight", "0.1"), "act only in td7 offline: leave out --bc-weight"),
        (("train", "--offline-loss", "td7"), "leave out --offline-loss"),
        (("train", "--no-use-checkpoints", "--reset-weight", "0.9"), "leave out --reset-weight"),
        (("train", "--eval-episodes", "0", "--eval-max-steps", "9"), "leave out --eval-max-steps"),
        (("offline", "--dataset", "d", "--num-envs", "1"), "leave out --num-envs"),
        (("offline", "--dataset", "d", "--warmup-steps", "25000"), "leave out --warmup-steps"),
        (("offline", "--dataset", "d", "--exploration-noise", "0.1"), "--exploration-noise"),
        (("offline", "--dataset", "d", "--no-use-checkpoints"), "leave out --use-checkpoints"),
        (("offline", "--dataset", "d", "--assessment-episodes", "1"), "--assessment-episodes"),
        (
            ("offline", "--dataset", "d", "--offline-loss", "bc", "--bc-weight", "1"),
            "leave out --bc-weight",
        ),
        (("collect", "r", "-o", "d", "--policy", "random", "--noise", "0.1"), "leave out --noise"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused_by_name(arguments, message, capsys):
    assert message in refused(capsys, *arguments)


def test_help_is_shown_whatever_else_was_typed(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["train", "--env", "A-v0", "--env", "B-v0", "--help"])
    assert exit_info.value.code == 0
    assert "--eval-in-training-env" in capsys.readouterr().out


def test_what_was_typed_is_read_in_every_spelling():
    typed = typed_options(["--batch_size=3", "-o", "x", "--no-overwrite", "--noise", "-1"])
    assert typed.names == ("batch-size", "out", "overwrite", "noise")
    assert typed.values == ("3", "x", "False", "-1")
    check_options(["train", "--batch_size=3", "-o", "x", "--no-overwrite", "--noise", "-1"])
    check_options([])


def test_environments_that_an_assessment_leaves_idle_are_told(small_config, quiet, capsys):
    run = quiet(progress="plain")
    config = small_config(num_envs=64, late_assessment_episodes=20, late_after_updates=50)
    td7.train("Toy/Point-v0", total_steps=200, config=config, run=run)
    shown = capsys.readouterr().out
    assert "num_envs 64: after the warm-up 1 of them run at once, 20 after 50 updates" in shown
    td7.train(
        "Toy/Point-v0",
        total_steps=100,
        config=small_config(num_envs=3, assessment_episodes=3),
        run=quiet("fit", progress="plain"),
    )
    assert "of them run at once" not in capsys.readouterr().out


def test_a_policy_without_an_update_is_exported_only_when_asked(
    small_config, quiet, tmp_path, capsys
):
    run = quiet()
    td7.train("Toy/Point-v0", total_steps=50, config=small_config(), run=run)
    error = refused(capsys, "export", run.out, "-o", tmp_path / "bundle")
    assert "has made 0 updates" in error
    assert "--untrained" in error
    assert not (tmp_path / "bundle").exists()
    export(run.out, tmp_path / "bundle", formats=["torchscript"], untrained=True)
    assert verify(tmp_path / "bundle")


def test_more_environments_than_episodes_are_refused(whole):
    assert read_settings(whole).seeds == (1,)
    with pytest.raises(ValueError, match="num_envs must be at most the 2 episodes, got 3"):
        evaluate_run(whole, episodes=2, num_envs=3)
