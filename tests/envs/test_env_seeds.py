"""The seeds that environments are given: wide where they may be, small where they must be."""

import json

import pytest
from test_resume import assert_same

import td7
from td7.datasets.record import collect
from td7.envs import make_simulations
from td7.rollout import env_seeds, open_rollouts
from td7.run.folder import read_settings
from td7.run.metrics import read_metrics
from td7.training.evaluate import evaluate_run

NARROW = ("Toy/RandomStateSeeded-v0", "Toy/Int32Seeded-v0")
WIDE = 2**33 + 7


@pytest.mark.parametrize("env", NARROW)
@pytest.mark.parametrize("seed", [1, WIDE])
def test_an_environment_that_takes_small_seeds_is_trained_evaluated_and_collected(
    env, seed, small_config, quiet, tmp_path
):
    run, config = quiet(), small_config(num_envs=3, assessment_episodes=3)
    td7.train(env, seeds=[seed, seed + 1], total_steps=300, config=config, run=run)
    assert td7.resume(run.out, total_steps=600, run=run).finished
    scores = evaluate_run(run.out, episodes=3, eval_seed=WIDE)
    assert len(set(scores[0].returns)) == 3
    facts = collect(
        run.out, tmp_path / "toy-v0", steps=400, seed=seed, policy="mixture", collect_seed=WIDE
    )
    assert facts.transitions == 400


@pytest.mark.parametrize("env", NARROW)
def test_a_resumed_environment_with_a_generator_of_its_own_is_seeded_by_the_run(
    env, small_config, quiet
):
    config = small_config(num_envs=2, assessment_episodes=2)
    for name in ("one", "two"):
        run = quiet(name)
        td7.train(env, seeds=[1], total_steps=310, config=config, run=run)
        assert td7.resume(run.out, total_steps=600, run=run).finished
    assert_same(quiet("one").out, quiet("two").out)


def test_seeds_stay_below_their_bound_and_distinct():
    seeds = [each for seed in (0, 5, 2**31, WIDE) for each in env_seeds(seed, 50, bits=31)]
    assert max(seeds) < 2**31
    assert len(set(seeds)) == 200
    assert env_seeds(5, 2, bits=31)[0] == 5
    assert env_seeds(WIDE, 1) == [WIDE]


def test_native_tasks_keep_seeds_of_64_bits_however_they_are_stepped():
    simulations = make_simulations("Hopper-v5", 1)
    assert simulations.seed_bits == 64
    simulations.close()


def test_a_run_saved_before_keeps_its_wide_seeds(small_config, quiet):
    """Its simulations that have had no episode yet are seeded as they would have been then."""
    run = quiet()
    td7.train("Toy/Point-v0", total_steps=110, config=small_config(), run=run)
    assert not read_settings(run.out).wide_seeds
    path = run.out / "config.json"
    before = json.loads(path.read_text())
    del before["wide_seeds"]
    path.write_text(json.dumps(before))
    assert read_settings(run.out).wide_seeds
    old, new = (
        open_rollouts("Toy/Point-v0", [3], 2, wide_seeds=wide)._env_seeds for wide in (True, False)
    )
    assert old == env_seeds(3, 2)
    assert new == env_seeds(3, 2, bits=31)
    assert td7.resume(run.out, total_steps=200, run=run).finished
    assert json.loads(path.read_text())["wide_seeds"]
    assert read_metrics(run.out)
