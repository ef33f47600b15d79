"""The online loop equals its slow twin, whatever the other members do."""

import json
import signal

import numpy as np
import pytest
import torch
from online_twin import Twin

import td7
from td7.envs import SimulationError
from td7.run.folder import RunSettings
from td7.run.metrics import read_metrics
from td7.run.saving import load_state
from td7.run.state import RunState

TOTAL = 500


def rows_of(folder, event, seed):
    return [r for r in read_metrics(folder) if r["event"] == event and r["seed"] == seed]


def final_state(folder, env_id, seeds, config, total_steps):
    settings = RunSettings(env_id, seeds, total_steps, "cpu", torch.get_num_threads(), config)
    state = RunState(settings)
    load_state(state, folder)
    state.collector.cut()  # rows of episodes under way count too
    state.close()
    return state


@pytest.mark.parametrize("env_id", ["Toy/Point-v0", "Toy/Ending-v0", "Hopper-v5"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"assessment_episodes": 3},
        {"late_after_updates": 130, "late_assessment_episodes": 4},
        {"use_checkpoints": False, "policy_period": 3},
        {"warmup_steps": 0, "eval_every": 70},
        {"num_envs": 3, "assessment_episodes": 5},
        {"num_envs": 4, "late_after_updates": 130, "late_assessment_episodes": 6},
        {"num_envs": 3, "use_checkpoints": False},
    ],
    ids=[
        "default",
        "three-episodes",
        "late-switch",
        "no-checkpoints",
        "no-warm-up",
        "three-envs",
        "four-envs-late-switch",
        "three-envs-no-checkpoints",
    ],
)
def test_one_seed_equals_the_step_by_step_twin_to_the_bit(env_id, changes, small_config, quiet):
    config = small_config(**changes)
    twin = Twin(env_id, 3, config).run(TOTAL)
    run = quiet()
    td7.train(env_id, seeds=[3], total_steps=TOTAL, config=config, run=run)

    evaluations = [(r["env_steps"], r["returns"]) for r in rows_of(run.out, "evaluation", 3)]
    assert evaluations == twin.evaluations
    state = final_state(run.out, env_id, (3,), config, TOTAL)
    assert state.learners.updates == twin.learner.updates
    for name, tensor in twin.learner.tensors().items():
        assert torch.equal(state.learners.tensors()[name], tensor), name
    assert state.replays[0].size() == twin.replay.size() == TOTAL
    rule = state.members[0].rule
    assert rule.max_episodes == twin.max_episodes
    assert rule.best_min_return == pytest.approx(twin.best_min_return, rel=1e-12)
    assert (rule.episodes, rule.debt, rule.min_return) == (
        twin.episodes,
        twin.steps,
        twin.min_return,
    )


@pytest.mark.parametrize("use_checkpoints", [True, False])
def test_a_member_trains_as_it_would_alone(use_checkpoints, small_config, quiet):
    config = small_config(use_checkpoints=use_checkpoints)
    together, alone = quiet("together"), quiet("alone")
    td7.train("Toy/Ending-v0", seeds=[5, 3, 4], total_steps=400, config=config, run=together)
    td7.train("Toy/Ending-v0", seeds=[3], total_steps=400, config=config, run=alone)
    ours, wanted = (rows_of(run.out, "evaluation", 3) for run in (together, alone))
    assert [r["env_steps"] for r in ours] == [r["env_steps"] for r in wanted]
    assert [r["updates"] for r in ours] == [r["updates"] for r in wanted]
    for mine, theirs in zip(ours, wanted, strict=True):
        np.testing.assert_allclose(mine["returns"], theirs["returns"], rtol=1e-3)


def test_members_that_owe_different_numbers_of_updates_train_as_they_would_alone(
    small_config, quiet
):
    config, env_id, seeds = small_config(assessment_episodes=2), "Toy/Wandering-v0", (5, 3, 4)
    together = quiet("together")
    td7.train(env_id, seeds=seeds, total_steps=400, config=config, run=together)
    state = final_state(together.out, env_id, seeds, config, 400)
    assert len(set(state.learners.updates)) == 3
    for member, seed in enumerate(seeds):
        alone = quiet(f"alone-{seed}")
        td7.train(env_id, seeds=[seed], total_steps=400, config=config, run=alone)
        wanted = final_state(alone.out, env_id, (seed,), config, 400)
        assert state.learners.updates[member] == wanted.learners.updates[0]
        assert state.replays[0].max_priority(member) == wanted.replays[0].max_priority()
        for name, value in wanted.learners.tensors().items():
            assert torch.equal(state.learners.tensors()[name][member], value[0]), name
        for event in ("round", "evaluation"):
            ours, theirs = (rows_of(run.out, event, seed) for run in (together, alone))
            assert [(r["env_steps"], r["updates"]) for r in ours] == [
                (r["env_steps"], r["updates"]) for r in theirs
            ]


@pytest.mark.parametrize("stop_at", [41, 165, 333])
def test_a_stop_in_the_middle_of_an_episode_loses_no_step_and_can_go_on(
    stop_at, small_config, quiet, monkeypatch
):
    from td7.envs import GymnasiumSimulations

    config, run, step = small_config(assessment_episodes=3), quiet(), GymnasiumSimulations.step
    taken = []

    def interrupted(simulations, sims, actions):
        if len(simulations._envs) == 1:  # an evaluation has more of them
            taken.append(1)
        if len(taken) == stop_at + 1:
            signal.raise_signal(signal.SIGTERM)
        return step(simulations, sims, actions)

    with monkeypatch.context() as patch:
        patch.setattr(GymnasiumSimulations, "step", interrupted)
        result = td7.train("Toy/Wandering-v0", total_steps=500, config=config, run=run)
    assert not result.finished
    state = final_state(run.out, "Toy/Wandering-v0", (0,), config, 500)
    assert state.collector.env_steps[0] == state.replays[0].size() == stop_at + 1
    assert td7.resume(run.out, run=run).finished
    assert [r["env_steps"] for r in rows_of(run.out, "evaluation", 0)] == [0, 200, 400, 500]
    assert final_state(run.out, "Toy/Wandering-v0", (0,), config, 500).replays[0].size() == 500


def test_resume_cuts_rows_that_are_newer_than_the_state_and_a_torn_line(small_config, quiet):
    run = quiet()
    td7.train("Toy/Point-v0", total_steps=200, config=small_config(), run=run)
    kept = (run.out / "metrics.jsonl").read_text()
    with (run.out / "metrics.jsonl").open("a") as file:
        file.write('{"event": "round", "seed"')
    td7.resume(run.out, total_steps=400, run=run)
    assert (run.out / "metrics.jsonl").read_text().startswith(kept)
    walls = [row["time/wall_s"] for row in read_metrics(run.out)]
    assert walls == sorted(walls)


def test_the_same_seed_gives_the_same_bits(small_config, quiet):
    tensors = []
    for name in ("first", "second"):
        run = quiet(name)
        torch.manual_seed(len(tensors))  # the global generator must not matter
        td7.train("Toy/Point-v0", seeds=[1, 2], total_steps=400, config=small_config(), run=run)
        state = final_state(run.out, "Toy/Point-v0", (1, 2), small_config(), 400)
        tensors.append(state.learners.tensors())
    for name, value in tensors[0].items():
        assert torch.equal(value, tensors[1][name]), name


def test_an_environment_that_reuses_its_arrays_is_stored_as_any_other(small_config, quiet):
    samples = []
    for env_id in ("Toy/Point-v0", "Toy/ReusedArrays-v0"):
        run = quiet(env_id[4:-3])
        td7.train(env_id, total_steps=120, config=small_config(warmup_steps=200), run=run)
        state = final_state(run.out, env_id, (0,), small_config(warmup_steps=200), 120)
        samples.append(state.replays[0].sample(64))
    np.testing.assert_array_equal(samples[0].obs, samples[1].obs)
    np.testing.assert_array_equal(samples[0].next_obs, samples[1].next_obs)
    assert (samples[0].obs != samples[0].next_obs).any(-1).all()


def test_warm_up_lasts_until_the_first_episode_that_ends_past_it(small_config, quiet):
    run = quiet()
    config = small_config(warmup_steps=100)  # episodes of 50: the one that ends at 100 is not past
    td7.train("Toy/Point-v0", total_steps=400, config=config, run=run)
    rounds = rows_of(run.out, "round", 0)
    assert [(r["env_steps"], r["updates"]) for r in rounds[:2]] == [(200, 50), (250, 100)]


def test_a_run_that_cannot_learn_says_so(small_config, tmp_path, capsys):
    run = td7.RunConfig(out=tmp_path / "run", tensorboard=False, progress="plain")
    td7.train("Toy/Point-v0", total_steps=60, config=small_config(warmup_steps=60), run=run)
    assert "nothing will be learned: of 60 steps 60 are the warm-up's" in capsys.readouterr().out


def test_an_assessment_cut_by_the_end_is_stored_and_its_debt_stays_untrained(small_config, quiet):
    run = quiet()
    td7.train("Toy/Point-v0", total_steps=230, config=small_config(), run=run)
    state = final_state(run.out, "Toy/Point-v0", (0,), small_config(), 230)
    assert state.replays[0].size() == 230
    assert state.learners.updates == [50]
    assert rows_of(run.out, "evaluation", 0)[-1]["env_steps"] == 230


@pytest.mark.parametrize(
    ("env_id", "message"),
    [
        (
            "Toy/NanObs-v0",
            r"seed 0, step 333 \(episode step 33\): the environment's observation must be finite, "
            r"got \[nan",
        ),
        (
            "Toy/InfReward-v0",
            r"seed 0, step 333 .*: the environment's reward must be finite, got inf",
        ),
    ],
)
def test_a_value_that_is_not_finite_stops_the_run_with_its_state_saved(
    env_id, message, small_config, quiet
):
    run = quiet()
    with pytest.raises(SimulationError, match=message):
        td7.train(env_id, total_steps=1000, config=small_config(), run=run)
    state = final_state(run.out, env_id, (0,), small_config(), 1000)
    assert state.collector.env_steps[0] == state.replays[0].size() == 332
    assert state.learners.updates[0] > 0


def test_a_signal_stops_the_run_and_resume_finishes_it(small_config, quiet, monkeypatch):
    from td7.updates.groups import Group

    run, calls = quiet(), []
    make_one = Group._update

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 75:
            signal.raise_signal(signal.SIGINT)
        return make_one(*arguments)

    monkeypatch.setattr(Group, "_update", interrupted)
    result = td7.train("Toy/Point-v0", total_steps=400, config=small_config(), run=run)
    assert not result.finished
    state = final_state(run.out, "Toy/Point-v0", (0,), small_config(), 400)
    assert (state.learners.updates, state.members[0].debt) == ([75], 25)

    result = td7.resume(run.out, run=run)
    assert result.finished
    evaluations = rows_of(run.out, "evaluation", 0)
    assert [r["env_steps"] for r in evaluations] == [0, 200, 400]
    whole = quiet("whole")
    td7.train("Toy/Point-v0", total_steps=400, config=small_config(), run=whole)
    for mine, theirs in zip(evaluations, rows_of(whole.out, "evaluation", 0), strict=True):
        assert mine["returns"] == theirs["returns"]


def test_resume_extends_a_finished_run_and_refuses_an_earlier_end(small_config, quiet):
    run = quiet()
    td7.train("Toy/Point-v0", total_steps=300, config=small_config(), run=run)
    with pytest.raises(ValueError, match="total_steps must be at least the run's 300, got 200"):
        td7.resume(run.out, total_steps=200)
    td7.resume(run.out, total_steps=500, run=run)
    assert [r["env_steps"] for r in rows_of(run.out, "evaluation", 0)] == [0, 200, 300, 400, 500]


def test_metrics_carry_what_shows_a_run_going_wrong(small_config, quiet):
    run = quiet()
    td7.train("Toy/Point-v0", total_steps=400, config=small_config(), run=run)
    wanted = (
        "train/target_clipped train/min_target train/max_target train/q_mean train/q_max "
        "train/encoder_loss train/critic_loss train/actor_loss train/zs_effective_rank "
        "rollout/assessment_episodes rollout/assessment_steps rollout/ep_rew_mean "
        "checkpoint/age_steps checkpoint/score"
    ).split()
    latest = rows_of(run.out, "round", 0)[-1]
    assert set(wanted) <= latest.keys()
    assert all(np.isfinite(latest[key]) for key in wanted)
    config = json.loads((run.out / "config.json").read_text())
    assert (config["env"], config["seeds"], config["total_steps"]) == ("Toy/Point-v0", [0], 400)


def test_a_scratch_dir_changes_no_result_and_is_used(small_config, quiet, tmp_path):
    config, folder = small_config(), tmp_path / "scratch"
    folder.mkdir()
    for name, options in (("memory", {}), ("file", {"scratch_dir": folder})):
        td7.train(
            "Toy/Point-v0", seeds=[1], total_steps=300, config=config, run=quiet(name, **options)
        )
        td7.resume(
            tmp_path / name,
            total_steps=600,
            run=td7.RunConfig(tensorboard=False, progress="none", **options),
        )
    for file in ("learner.safetensors", "replay-0.bin"):
        saved = [(tmp_path / name / "state" / file).read_bytes() for name in ("memory", "file")]
        assert saved[0] == saved[1], file
    none = tmp_path / "none"
    with pytest.raises(FileNotFoundError, match=r"make the replay's file in .*none"):
        td7.train(
            "Toy/Point-v0",
            seeds=[1],
            total_steps=300,
            config=config,
            run=quiet("other", scratch_dir=none),
        )
    with pytest.raises(FileNotFoundError, match=r"make the replay's file in .*none"):
        td7.resume(
            tmp_path / "file",
            run=td7.RunConfig(tensorboard=False, progress="none", scratch_dir=none),
        )
