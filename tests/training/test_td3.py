"""TD3 runs as TD7 does: its loop equals a slow twin, and stops, members and bundles hold."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from td3_twin import Twin
from test_online import final_state, rows_of

import td7
from conftest import SMALL
from td7.cli import main
from td7.config import TD3Config
from td7.deploy.export import export
from td7.deploy.verify import verify
from td7.envs.native import is_native
from td7.policy.acting import make_acting
from td7.policy.module import policy_module
from td7.run.counter_checks import check_counters
from td7.run.folder import read_settings
from td7.run.metrics import read_metrics
from td7.training.evaluate import evaluate_run

TOTAL = 400
SHARED = ("batch_size", "buffer_capacity", "warmup_steps", "critic_hidden", "actor_hidden")
TINY = {name: SMALL[name] for name in (*SHARED, "eval_every", "eval_episodes")}
EVERY = pytest.mark.parametrize("env_id", ["Toy/Point-v0", "Toy/Ending-v0", "Hopper-v5"])


def config_of(**changes):
    return TD3Config(**{**TINY, **changes})


def evaluations_of(folder, seed):
    return [(row["env_steps"], row["returns"]) for row in rows_of(folder, "evaluation", seed)]


def assert_equal(state, member, tensors):
    for name, tensor in tensors.items():
        assert torch.equal(state.learners.tensors()[name][member], tensor[0]), name


@EVERY
@pytest.mark.parametrize("warmup", [0, 133])
def test_the_loop_equals_the_step_by_step_twin_to_the_bit(env_id, warmup, quiet):
    config = config_of(warmup_steps=warmup)
    twin, run = Twin(env_id, 3, config, 64 if is_native(env_id) else 31).run(TOTAL), quiet()
    td7.train(env_id, seeds=[3], total_steps=TOTAL, config=config, run=run)
    assert evaluations_of(run.out, 3) == twin.evaluations
    state = final_state(run.out, env_id, (3,), config, TOTAL)
    assert state.learners.updates == twin.learner.updates == [TOTAL - warmup]
    assert state.replays[0].size() == twin.replay.size() == TOTAL
    assert_equal(state, 0, twin.learner.tensors())


def test_a_member_does_not_depend_on_its_company(quiet):
    td7.train("Hopper-v5", seeds=[3, 5], total_steps=TOTAL, config=config_of(), run=quiet("both"))
    both = final_state(quiet("both").out, "Hopper-v5", (3, 5), config_of(), TOTAL)
    td7.train("Hopper-v5", seeds=[5], total_steps=TOTAL, config=config_of(), run=quiet("one"))
    one = final_state(quiet("one").out, "Hopper-v5", (5,), config_of(), TOTAL)
    assert_equal(both, 1, one.learners.tensors())


@EVERY
def test_a_resumed_run_equals_an_unbroken_one(env_id, quiet):
    whole, cut = quiet("whole"), quiet("cut")
    options = {"seeds": [3, 5], "config": config_of()}
    td7.train(env_id, total_steps=TOTAL, run=whole, **options)
    td7.train(env_id, total_steps=60, run=cut, **options)  # within the warm-up
    for steps in (101, 200, TOTAL):
        assert td7.resume(cut.out, total_steps=steps, run=cut).finished
    states = [
        final_state(run.out, env_id, (3, 5), config_of(), TOTAL).learners.tensors()
        for run in (whole, cut)
    ]
    for name, tensor in states[0].items():
        assert torch.equal(states[1][name], tensor), name
    kept = {row["env_steps"] for row in read_metrics(whole.out) if row["event"] == "evaluation"}
    assert kept == {0, 200, 400}


def test_several_environments_of_a_seed_learn_from_the_step_that_ends_the_warm_up(quiet):
    config, run = config_of(num_envs=3, warmup_steps=100), quiet()
    td7.train("Toy/Ending-v0", seeds=[1], total_steps=250, config=config, run=run)
    state = final_state(run.out, "Toy/Ending-v0", (1,), config, 250)
    assert state.learners.updates == [150] and state.replays[0].size() == 250


def test_a_policy_is_evaluated_exported_and_verified_without_the_runtime_in_cpp(quiet, tmp_path):
    run = quiet()
    td7.train("Hopper-v5", seeds=[2], total_steps=150, config=config_of(), run=run)
    (score,) = evaluate_run(run.out, episodes=2)
    assert score.policy == "current"
    export(run.out, tmp_path / "bundle")
    files = {result.file for result in verify(tmp_path / "bundle")}
    assert files == {
        "vectors.safetensors",
        "torch",
        "policy.onnx",
        "policy_batch1.onnx",
        "policy.pt",
    }
    with pytest.raises(ValueError, match="format must not be cpp"):
        export(run.out, tmp_path / "other", formats=["cpp"])


def test_td3_starts_from_a_run_of_its_own_alone(quiet):
    td7.train("Toy/Point-v0", seeds=[1], total_steps=150, config=config_of(), run=quiet("first"))
    result = td7.train_from(
        quiet("first").out, total_steps=150, config=config_of(), run=quiet("second")
    )
    assert result.finished
    with pytest.raises(ValueError, match=r"config must be of the algorithm of .*, td3, got one of"):
        td7.train_from(quiet("first").out, config=td7.TD7Config(), run=quiet("third"))


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (
            ["--algorithm", "td3", "--lap-alpha", "0.5"],
            "--lap-alpha is a setting of td7, not of td3",
        ),
        (["--algorithm=td3", "--no-use-checkpoints"], "--use-checkpoints is a setting of td7, not"),
        (["--tau", "0.1"], "--tau is a setting of td3, not of td7"),
    ],
)
def test_a_setting_that_the_algorithm_does_not_have_is_refused(args, text, capsys):
    with pytest.raises(SystemExit):
        main(["train", *args])
    assert text in capsys.readouterr().err


def test_help_shows_the_settings_of_the_algorithm(capsys):
    shown = []
    for name in ("td7", "td3"):
        with pytest.raises(SystemExit):
            main(["train", "--algorithm", name, "--help"])
        shown.append(capsys.readouterr().out)
    assert "--lap-alpha" in shown[0] and "--tau" not in shown[0]
    assert "--tau" in shown[1] and "--lap-alpha" not in shown[1]


def test_td3_does_not_learn_offline():
    from td7.agent import make_algorithm

    with pytest.raises(ValueError, match="TD3 learns online only"):
        make_algorithm(TD3Config(), offline=True)


@pytest.mark.parametrize("algorithm", ["td7", "td3"])
@pytest.mark.parametrize("warmup", [100, 130])
def test_saves_change_no_evaluation_in_the_training_environment(algorithm, warmup, quiet):
    """An evaluation is made as soon as it is due between episodes, also at the warm-up's end."""
    config = config_of(warmup_steps=warmup, eval_every=100, eval_episodes=1)
    config = dataclasses.replace(config, eval_in_training_env=True)
    if algorithm == "td7":
        names = {field.name for field in dataclasses.fields(td7.TD7Config)} & SMALL.keys()
        changes = {name: SMALL[name] for name in names} | {"warmup_steps": warmup}
        changes |= {"eval_every": 100, "eval_episodes": 1, "eval_in_training_env": True}
        config = td7.TD7Config(**changes)
    made = []
    for name, every in (("whole", 0), ("saved", 50)):
        run = quiet(name, save_every_steps=every)
        td7.train("Toy/Point-v0", seeds=[1], total_steps=TOTAL, config=config, run=run)
        rows = rows_of(run.out, "evaluation", 1)
        made.append([(row["env_steps"], row["updates"], row["returns"]) for row in rows])
    assert made[0] == made[1]
    if algorithm == "td3":
        assert rows[-1]["updates"] == TOTAL - warmup


def test_a_policy_acts_alike_whatever_torchs_settings_are():
    module = policy_module(
        {
            "actor.l1.weight": torch.randn(16, 3),
            "actor.l1.bias": torch.randn(16),
            "actor.l2.weight": torch.randn(16, 16),
            "actor.l2.bias": torch.randn(16),
            "actor.l3.weight": torch.randn(2, 16),
            "actor.l3.bias": torch.randn(2),
            "low": -torch.ones(2),
            "high": torch.ones(2),
        }
    )
    policy, obs = make_acting(module), np.ones((4, 3), np.float32)
    wanted = policy(obs)
    with torch.autocast("cpu", torch.bfloat16):
        found = policy(obs)
    assert found.dtype == np.float32 and found.tobytes() == wanted.tobytes()


def test_a_state_with_an_assessment_is_refused(quiet):
    td7.train("Toy/Point-v0", seeds=[1], total_steps=200, config=config_of(), run=quiet())
    settings = read_settings(quiet().out)
    saved = json.loads((quiet().out / "state" / "counters.json").read_text())
    del saved["schema"]
    check_counters(saved, settings, native=False)
    for changes in (
        {"uncounted": [[5.0, 50]]},
        {"rule": saved["members"][0]["rule"] | {"debt": 9}},
    ):
        forged = saved | {"members": [saved["members"][0] | changes]}
        with pytest.raises(ValueError, match=r"members\[0\]\.(uncounted|rule\.debt) must be"):
            check_counters(forged, settings, native=False)
