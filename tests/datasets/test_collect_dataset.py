"""Data sets that are collected from runs hold what the environment gave, and load anywhere."""

import numpy as np
import pytest

import td7
from td7.cli import main
from td7.datasets.fill import fill
from td7.datasets.record import collect
from td7.datasets.source import open_dataset
from td7.envs import make_simulations
from td7.run.policies import policy_of_run

minari = pytest.importorskip("minari")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of a native task, and one of an environment that Python steps; with checkpoints."""
    folder = tmp_path_factory.mktemp("runs")
    from conftest import SMALL

    made = {}
    for env in ("Hopper-v5", "Toy/Point-v0"):
        out = folder / env.split("/")[0]
        run = td7.RunConfig(out=out, progress="none", tensorboard=False)
        config = td7.TD7Config(**{**SMALL, "eval_episodes": 1})
        td7.train(env, seeds=[1, 2], total_steps=250, config=config, run=run)
        made[env] = out
    return made


@pytest.fixture(params=["Hopper-v5", "Toy/Point-v0"])
def run(request, runs):
    return runs[request.param]


def episodes_of(folder):
    return list(minari.MinariDataset(folder / "data"))


def test_rows_are_what_the_environment_gives(runs, tmp_path):
    """Each episode is made again, from its start by its actions."""
    facts = collect(runs["Hopper-v5"], tmp_path / "hopper-v0", steps=300, seed=1)
    episodes = episodes_of(tmp_path / "hopper-v0")
    assert facts.transitions == sum(len(e.rewards) for e in episodes) == 300
    assert facts.episodes == len(episodes) > 2
    assert facts.mean_return == pytest.approx(np.mean([e.rewards.sum() for e in episodes]))
    from td7.rollout import env_seeds

    simulations = make_simulations("Hopper-v5", 1)
    (seed,) = env_seeds(0, 1)
    obs = simulations.reset(np.zeros(1, np.int64), [seed])
    np.testing.assert_array_equal(np.float32(obs[0]), episodes[0].observations[0])
    for step, action in enumerate(episodes[0].actions):
        obs, reward, terminated, _ = simulations.step(np.zeros(1, np.int64), action[None])
        np.testing.assert_array_equal(np.float32(obs[0]), episodes[0].observations[step + 1])
        assert np.float32(reward[0]) == episodes[0].rewards[step]
        assert bool(terminated[0]) == episodes[0].terminations[step]
    simulations.close()


def test_every_episode_ends_once_and_the_last_is_cut(run, tmp_path):
    collect(run, tmp_path / "data-v0", steps=123, seed=1)
    for episode in episodes_of(tmp_path / "data-v0"):
        ends = episode.terminations | episode.truncations
        assert ends[-1] and not ends[:-1].any()
        assert not (episode.terminations & episode.truncations).any()


def test_the_same_seed_gives_the_same_data_whatever_the_threads(run, tmp_path):
    for name, threads, seed in [("a-v0", 1, 0), ("b-v0", 2, 0), ("c-v0", 1, 7)]:
        collect(run, tmp_path / name, steps=100, seed=2, num_threads=threads, collect_seed=seed)
    a, b, c = (
        np.concatenate([e.actions for e in episodes_of(tmp_path / name)])
        for name in ("a-v0", "b-v0", "c-v0")
    )
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_actions_are_the_policy_s_or_uniform(run, tmp_path):
    policy = policy_of_run(run, 1, "checkpoint")
    for kind, noise in [("checkpoint", 0.0), ("checkpoint", 0.1), ("random", 0.0)]:
        folder = tmp_path / f"{kind}-{noise * 10:.0f}-v0"
        collect(run, folder, steps=400, policy=kind, seed=1, noise=noise)
        episodes = episodes_of(folder)
        obs = np.concatenate([e.observations[:-1] for e in episodes]).astype(np.float32)
        actions = np.concatenate([e.actions for e in episodes])
        low, high = policy.module.low.numpy(), policy.module.high.numpy()
        off = np.abs(actions - policy(obs)) / ((high - low) / 2)
        assert (actions >= low).all() and (actions <= high).all()
        if kind == "random":
            assert off.max() > 0.9
        elif noise:
            assert 0.01 < off.mean() < 0.2
        else:
            assert off.max() < 1e-5


def test_a_mixture_takes_an_episode_of_each_in_turn(run, tmp_path):
    collect(run, tmp_path / "mixed-v0", steps=600, policy="mixture", seed=1, noise=0.0)
    policies = [policy_of_run(run, 1, which) for which in ("checkpoint", "current")]
    for number, episode in enumerate(episodes_of(tmp_path / "mixed-v0")):
        obs = episode.observations[:-1].astype(np.float32)
        if number % 3 < 2:
            assert np.abs(policies[number % 3](obs) - episode.actions).max() < 1e-5
        elif len(obs) > 3:
            assert all(np.abs(p(obs) - episode.actions).max() > 0.01 for p in policies)


def test_what_was_collected_can_be_learned_from(run, tmp_path, small_config, quiet):
    collect(run, tmp_path / "data-v0", steps=200, seed=1)
    config = small_config(eval_every=10, eval_episodes=1)
    result = td7.train_offline(tmp_path / "data-v0", updates=10, config=config, run=quiet())
    assert result.finished
    # and a run without checkpoints gives, and mixes, what it has
    assert collect(result.folder, tmp_path / "own-v0", steps=50).transitions == 50
    assert collect(result.folder, tmp_path / "mixed-v0", steps=50, policy="mixture").episodes > 0
    with pytest.raises(ValueError, match=r"policy must be another one: .* keeps no checkpoints"):
        collect(result.folder, tmp_path / "none-v0", steps=50, policy="checkpoint")


def test_an_environment_that_only_this_program_knows_is_left_out(runs, tmp_path, monkeypatch):
    import gymnasium

    import toy_envs

    known = gymnasium.registry["Toy/Point-v0"]
    with monkeypatch.context() as patch:
        patch.setattr(known, "entry_point", toy_envs.Point)
        collect(runs["Toy/Point-v0"], tmp_path / "data-v0", steps=60, seed=1)
    assert open_dataset(tmp_path / "data-v0").env is None


def test_minari_finds_what_lies_below_its_folder(run, tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "root"))
    collect(run, tmp_path / "root" / "mine" / "data-v0", steps=60, seed=1)
    data = minari.load_dataset("mine/data-v0")
    assert data.total_steps == 60
    assert data.observation_space.dtype == np.float32
    env = open_dataset("mine/data-v0").env
    assert env in ("Hopper-v5", "Toy/Point-v0")
    space = data.recover_environment().action_space
    replay = td7.LapReplay(60, data.observation_space.shape[0], space.shape[0])
    fill([(replay, 0)], open_dataset("mine/data-v0"), env, data.observation_space, space)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "steps must be an integer of at least 1, got 0"),
        ({"policy": "best"}, "policy must be evaluated, checkpoint, .*, mixture, got 'best'"),
        ({"noise": float("nan")}, "noise must be from 0 to 10, got nan"),
        ({"noise": -0.1}, "noise must be from 0 to 10, got -0.1"),
        ({"seed": 9}, r"seed must be one of the run's \[1, 2\], got 9"),
        ({"collect_seed": -1}, "collect_seed must be an integer of at least 0, got -1"),
    ],
)
def test_bad_arguments_are_named_and_leave_nothing(run, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        collect(run, tmp_path / "data-v0", **{"steps": 10, "seed": 1, **arguments})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_must_be_free_and_named_as_minari_wants(run, tmp_path):
    with pytest.raises(ValueError, match=r"named as Minari wants, NAME-v0, got .*data"):
        collect(run, tmp_path / "data", steps=10, seed=1)
    (tmp_path / "data-v0").mkdir()
    with pytest.raises(FileExistsError, match="data-v0 exists: choose another folder"):
        collect(run, tmp_path / "data-v0", steps=10, seed=1)


def test_an_error_on_the_way_leaves_nothing(run, tmp_path, monkeypatch):
    def refused(*arguments, **more):
        raise OSError("no room")

    monkeypatch.setattr(minari, "create_dataset_from_buffers", refused)
    with pytest.raises(OSError, match="no room"):
        collect(run, tmp_path / "data-v0", steps=10, seed=1)
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_collects(run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = "data-v0"
    with pytest.raises(SystemExit) as stopped:
        main(["collect", str(run), "-o", out, "--steps", "50", "--seed", "1"])
    assert stopped.value.code == 0
    assert "50 transitions" in capsys.readouterr().out
    assert open_dataset("data-v0").transitions == open_dataset("./data-v0").transitions == 50
