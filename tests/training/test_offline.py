"""Offline runs: the loop equals its slow twin, goes on as if never stopped, ships its policy."""

import json
import shutil
import signal

import numpy as np
import pytest
import torch
from dataset_files import episodes, flat, write_minari, write_npz
from online_twin import Twin

import td7
from td7.cli import main
from td7.datasets.fill import fill
from td7.datasets.source import open_dataset
from td7.deploy.export import export
from td7.run.folder import read_settings
from td7.run.metrics import read_metrics
from td7.run.policies import policy_of_run
from td7.run.saving import load_state
from td7.run.state import RunState
from td7.training import session
from td7.training.evaluate import evaluate_run
from td7.updates.learner import Learner

UPDATES = 130
ENV = "Toy/Point-v0"


@pytest.fixture
def data(tmp_path):
    return write_npz(tmp_path / "toy.npz", flat(episodes([(40, False), (30, True)] * 3)))


@pytest.fixture
def offline(data, small_config, quiet):
    """Return a maker of offline runs."""

    def make(name="run", config=None, **changes):
        arguments = {"env": ENV, "seeds": [3], "updates": UPDATES, **changes}
        config = config or small_config(eval_every=50)
        return td7.train_offline(data, config=config, run=quiet(name), **arguments)

    return make


def state_of(folder):
    state = RunState(read_settings(folder))
    load_state(state, folder)
    state.close()
    return state


def same(a, b):
    mine, other = a.learners.tensors(), b.learners.tensors()
    return all(torch.equal(mine[name], other[name]) for name in mine)


class OfflineTwin(Twin):
    """Updates one after another on the data set, with an evaluation every so many."""

    def learn(self, data, updates):
        self.learner = Learner(3, 2, [self.seed], self.cfg, offline=True)
        spaces = self.sims[0].env.observation_space, self.sims[0].env.action_space
        fill([(self.replay, 0)], open_dataset(data), ENV, *spaces)
        for update in range(updates + 1):
            if update % self.cfg.eval_every == 0 or update == updates:
                self.evaluate(update)
            if update < updates:
                self.train_one()
        return self


@pytest.mark.parametrize("changes", [{}, {"offline_loss": "bc"}, {"bc_weight": 0.0}])
def test_a_run_equals_its_slow_twin_to_the_bit(data, offline, small_config, changes):
    config = small_config(eval_every=50, use_checkpoints=False, **changes)
    twin = OfflineTwin(ENV, 3, config).learn(data, UPDATES)
    run = offline(config=config)
    state = state_of(run.folder)
    expected = twin.learner.tensors()
    for name, tensor in state.learners.tensors().items():
        assert torch.equal(tensor, expected[name]), name
    rows = [row for row in read_metrics(run.folder) if row["event"] == "evaluation"]
    assert [(row["updates"], row["returns"]) for row in rows] == twin.evaluations
    assert [row["env_steps"] for row in rows] == [0, 0, 0, 0]
    assert run.finished and state.finished()


def test_a_seed_does_not_depend_on_its_company(offline):
    alone, together = offline("alone", seeds=[5]), offline("together", seeds=[3, 5])
    one, both = state_of(alone.folder), state_of(together.folder)
    for name, tensor in one.learners.tensors().items():
        assert torch.equal(tensor[0], both.learners.tensors()[name][1])


@pytest.mark.parametrize("after", [1, 30, 60, 90, 125, 155, 164, 173, 200, 230, 260])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(offline, quiet, monkeypatch, after):
    whole = offline("whole", seeds=[3, 4])

    class Stopping(session.StopSignal):
        asked = 0

        def __call__(self):
            self.asked += 1
            if self.asked == after:
                signal.raise_signal(signal.SIGTERM)
            return super().__call__()

    with monkeypatch.context() as patch:
        patch.setattr(session, "StopSignal", Stopping)
        cut = offline("cut", seeds=[3, 4])
    assert not cut.finished
    resumed = td7.resume(cut.folder, run=quiet(out=None))
    assert resumed.finished and same(state_of(whole.folder), state_of(cut.folder))
    rows = [
        [{k: v for k, v in row.items() if k != "time/wall_s"} for row in read_metrics(run.folder)]
        for run in (whole, resumed)
    ]
    assert rows[0] == rows[1]


def test_a_run_goes_on_to_a_later_end(offline, quiet):
    longer = offline("longer", updates=200)
    short = offline("short", updates=100)
    td7.resume(short.folder, total_steps=200, run=quiet(out=None))
    assert same(state_of(longer.folder), state_of(short.folder))


def test_saves_by_updates_change_nothing(offline, data, small_config, quiet, monkeypatch):
    saves, save_state = [], session.save_state
    monkeypatch.setattr(session, "save_state", lambda *a, **k: saves.append(save_state(*a, **k)))
    config = small_config(eval_every=50)
    saving = td7.train_offline(
        data,
        env=ENV,
        seeds=[3],
        updates=UPDATES,
        config=config,
        run=quiet("saving", save_every_steps=20),
    )
    assert len(saves) >= 6
    assert same(state_of(offline().folder), state_of(saving.folder))


def test_no_seed_runs_ahead_of_a_round_whatever_is_saved(data, offline, small_config, quiet):
    run = quiet("saving", save_every_steps=10)
    config = small_config(eval_every=50)
    td7.train_offline(data, env=ENV, seeds=[3, 4, 5], updates=100, config=config, run=run)
    plain = offline("plain", seeds=[3, 4, 5], updates=100)
    rows = [
        [{k: v for k, v in row.items() if k != "time/wall_s"} for row in read_metrics(folder)]
        for folder in (run.out, plain.folder)
    ]
    assert rows[0] == rows[1]
    evaluations = [(row["updates"], row["seed"]) for row in rows[0] if row["event"] == "evaluation"]
    assert evaluations == [(n, seed) for n in (0, 50, 100) for seed in (3, 4, 5)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"evaluated": 21}, r"members\[0\].evaluated must be an integer from -1 to 20, got 21"),
        ({"debt": 1}, r"members\[0\].debt must be an integer from 0 to 0, got 1"),
    ],
)
def test_a_state_that_no_run_was_in_is_refused(offline, change, message):
    from td7.files.manifest import write_manifest
    from td7.run.saving import SCHEMA

    run = offline(updates=20)
    path = run.folder / "state" / "counters.json"
    saved = json.loads(path.read_text())
    saved["members"][0] |= change
    path.write_text(json.dumps(saved))
    (path.parent / "manifest.json").unlink()
    write_manifest(path.parent, SCHEMA)
    with pytest.raises(ValueError, match=message):
        state_of(run.folder)


def test_a_run_that_lost_its_state_says_that_it_cannot_go_on(offline, quiet):
    run = offline(updates=20)
    for name in ("state", "state.old"):
        shutil.rmtree(run.folder / name, ignore_errors=True)
    with pytest.raises(ValueError, match="no state was saved, and without it a run has neither"):
        td7.resume(run.folder, run=quiet(out=None))


def test_a_data_set_that_is_refused_leaves_no_run(tmp_path, data, quiet):
    arrays = dict(np.load(data))
    arrays["rewards"][7] = np.nan
    write_npz(data, arrays)
    with pytest.raises(ValueError, match="transition 7: rewards must be finite"):
        td7.train_offline(data, env=ENV, updates=10, run=quiet())
    assert not (tmp_path / "run").exists()


def test_cloning_alone_is_refused_online(small_config, quiet):
    with pytest.raises(
        ValueError, match=r"TD7Config\.offline_loss must be 'td7' where .* got 'bc'"
    ):
        td7.train(ENV, config=small_config(offline_loss="bc"), run=quiet())


@pytest.mark.parametrize("updates", [0, -1, 1.5, True])
def test_a_number_of_updates_that_is_none_is_named(data, quiet, updates):
    with pytest.raises(ValueError, match=rf"updates must be an integer of .* 1, got {updates}"):
        td7.train_offline(data, env=ENV, updates=updates, run=quiet())


def test_the_current_policy_of_a_cloning_run_is_found(quiet, small_config, data):
    config = small_config(offline_loss="bc")
    made = td7.train_offline(data, env=ENV, updates=3, config=config, run=quiet())
    policy = policy_of_run(made.folder, None, "current")
    assert policy.metadata["updates"] == 3


def test_a_run_has_a_folder_of_its_own(data, small_config, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    run = td7.RunConfig(progress="none", tensorboard=False)
    made = td7.train_offline(data, env=ENV, updates=1, config=small_config(), run=run)
    assert made.folder == tmp_path / "runs" / "offline-Toy-Point-v0-seed-0"


def test_the_environment_is_the_data_set_s_own(tmp_path, small_config, quiet, data):
    folder = write_minari(tmp_path / "toy-v0", episodes(), env=ENV)
    config = small_config(batch_size=4)
    run = td7.train_offline(folder, updates=5, config=config, run=quiet())
    settings = read_settings(run.folder)
    assert settings.env == ENV
    assert settings.dataset.name == str(folder) and settings.dataset.transitions == 17
    assert not settings.config.use_checkpoints
    with pytest.raises(
        ValueError, match=r"toy\.npz names no environment: say in which one to evaluate"
    ):
        td7.train_offline(data, updates=5, run=quiet("other"))


def test_scores_and_updates_are_in_the_metrics(tmp_path, small_config, quiet):
    pytest.importorskip("tensorboard")
    folder = write_minari(
        tmp_path / "toy-v0", episodes(), env=ENV, ref_min_score=-100.0, ref_max_score=0.0
    )
    config = small_config(batch_size=4, eval_every=10)
    run = td7.train_offline(folder, updates=20, config=config, run=quiet(tensorboard=True))
    rows = read_metrics(run.folder)
    assert [row["event"] for row in rows] == ["evaluation", "updates"] * 2 + ["evaluation"]
    for row in rows[::2]:
        assert row["eval/normalized_score"] == pytest.approx(100 + row["eval/mean_reward"])
    assert {"train/critic_loss", "train/q_mean", "train/max_target"} <= rows[1].keys()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.folder / "tensorboard" / "seed-0")).Reload()
    assert [event.step for event in events.Scalars("eval/mean_reward")] == [0, 10, 20]


def test_cloning_alone_copies_the_data_s_policy(tmp_path, small_config, quiet):
    """Actions that are a function of the observation are learned, whatever the rewards say."""
    made = episodes([(200, False)] * 5)
    for obs, action, _, _ in made:
        action[:, 0], action[:, 1] = 1 + np.tanh(obs[:-1, 0]), 0.25
    data = write_npz(tmp_path / "toy.npz", flat(made))
    config = small_config(offline_loss="bc", batch_size=64, eval_every=10_000, actor_lr=3e-3)
    run = td7.train_offline(data, env=ENV, updates=600, config=config, run=quiet())
    obs = np.random.default_rng(1).normal(size=(200, 3)).astype(np.float32)
    error = run.policies[0](obs)[:, 0] - (1 + np.tanh(obs[:, 0]))
    assert np.sqrt(np.mean(error**2)) < 0.15


def test_an_offline_run_is_evaluated_exported_and_plotted_like_any_other(offline, tmp_path, capsys):
    run = offline(updates=20)
    (score,) = evaluate_run(run.folder, episodes=2)
    assert score.policy == "current"
    assert export(run.folder, tmp_path / "bundle") < 1e-5
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text())
    assert (manifest["policy"], manifest["env_steps"], manifest["updates"]) == ("current", 0, 20)
    main_exits(0, "plot", str(run.folder), "-o", str(tmp_path / "curve.png"))
    assert (tmp_path / "curve.png").stat().st_size > 1000


def main_exits(status, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    assert stopped.value.code == status


def test_the_command_line_trains_offline_and_goes_on(data, tmp_path, capsys):
    out, small = str(tmp_path / "cli"), ["--batch-size", "16", "--eval-every", "20"]
    rest = ["--env", ENV, "--eval-episodes", "1", "--progress", "plain", "--no-tensorboard"]
    main_exits(0, "offline", "--dataset", str(data), "--updates", "20", *small, *rest, "--out", out)
    assert "updates       20" in capsys.readouterr().out
    main_exits(0, "train", "--resume", out, "--total-steps", "30", "--no-tensorboard")
    assert read_metrics(tmp_path / "cli")[-1]["updates"] == 30
    main_exits(1, "offline", "--dataset", str(tmp_path / "none.npz"), "--env", ENV)
    assert "there is no such file" in capsys.readouterr().err


# --- from offline to online ---


def test_an_online_run_starts_where_an_offline_one_has_come(offline, quiet, small_config):
    source = offline(seeds=[3, 4])
    config = small_config(warmup_steps=100)
    run = td7.train_from(source.folder, total_steps=60, config=config, run=quiet("online"))
    before, after = state_of(source.folder), state_of(run.folder)
    for seed in range(2):  # still in the warm-up: nothing was learned
        for which in ("current", "checkpoint"):
            weights = after.learners.policy_weights(seed, which)
            for name, weight in before.learners.policy_weights(seed, "current").items():
                assert torch.equal(weight, weights[name]), (which, name)
    assert after.learners.updates == [0, 0]
    settings = read_settings(run.folder)
    assert (settings.env, settings.seeds, settings.offline) == (ENV, (3, 4), False)
    assert (settings.start, settings.kept_replay) == (str(source.folder.absolute()), False)
    assert settings.config.use_checkpoints
    assert after.replays[0].size() == 50  # an episode of it; the data set's rows are left behind


def test_the_loaded_policy_acts_in_the_warm_up(offline, quiet, small_config):
    """Its actions are those of the policy with noise: near it, and not uniform."""
    source = offline()
    config = small_config(warmup_steps=100, exploration_noise=1e-4)
    run = td7.train_from(source.folder, total_steps=50, config=config, run=quiet("online"))
    batch = state_of(run.folder).replays[0].sample(512)
    policy = policy_of_run(source.folder, None, None)
    acted = policy.module.normalised(torch.from_numpy(batch.obs[0])).detach().numpy()
    assert np.abs(acted - batch.action[0]).max() < 1e-3


@pytest.mark.parametrize("warmup", [0, 60])
def test_the_data_set_stays_in_the_replay_where_that_is_asked_for(
    offline, quiet, small_config, warmup
):
    source = offline()
    run = td7.train_from(
        source.folder,
        total_steps=120,
        config=small_config(warmup_steps=warmup),
        run=quiet("online"),
        keep_replay=True,
    )
    state = state_of(run.folder)
    state.collector.cut()
    assert state.replays[0].size() == 210 + 120
    assert read_settings(run.folder).kept_replay
    assert state.learners.updates == [50 if warmup == 0 else 0]  # of its second episode


def test_a_run_started_from_another_goes_on_as_if_never_stopped(offline, quiet, small_config):
    source, config = offline(), small_config(warmup_steps=40)
    whole = td7.train_from(source.folder, total_steps=300, config=config, run=quiet("whole"))
    part = td7.train_from(source.folder, total_steps=170, config=config, run=quiet("part"))
    td7.resume(part.folder, total_steps=300, run=quiet(out=None))
    assert same(state_of(whole.folder), state_of(part.folder))


@pytest.mark.parametrize(
    ("changes", "keep_replay", "message"),
    [
        ({"embedding_size": 9}, False, "TD7Config.embedding_size must be 8 as in .*, got 9"),
        ({"buffer_capacity": 77}, True, "TD7Config.buffer_capacity must be 10000 as in .*, got 77"),
    ],
)
def test_a_configuration_that_does_not_fit_the_start_is_refused(
    offline, quiet, small_config, changes, keep_replay, message
):
    source = offline(updates=10)
    with pytest.raises(ValueError, match=message):
        td7.train_from(
            source.folder,
            config=small_config(**changes),
            run=quiet("online"),
            keep_replay=keep_replay,
        )


def test_network_sizes_and_buffer_come_from_the_start(offline, quiet):
    source = offline(updates=10)
    config = td7.TD7Config(warmup_steps=10, batch_size=4, eval_episodes=1)
    run = td7.train_from(
        source.folder, total_steps=20, config=config, run=quiet("online"), keep_replay=True
    )
    mine = read_settings(run.folder).config
    assert (mine.embedding_size, mine.buffer_capacity) == (8, 10_000)


def test_a_run_does_not_start_from_itself(offline, quiet):
    source = offline(updates=10)
    with pytest.raises(ValueError, match=r"out must be another folder than .*, the run to start"):
        td7.train_from(source.folder, run=quiet("run", overwrite=True))
    assert state_of(source.folder).finished()


def test_a_run_is_replaced_only_once_the_first_state_is_saved(offline, quiet, monkeypatch):
    from td7.run import saving

    source, other = offline(updates=10), offline("other", updates=20)

    def full(*arguments):
        raise OSError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(saving, "_write_state", full)
        with pytest.raises(OSError, match="no room"):
            td7.train_from(source.folder, run=quiet("other", overwrite=True))
    assert state_of(other.folder).learners.updates == [20]
    assert "state.first" not in {path.name for path in other.folder.iterdir()}


def test_a_torn_state_of_the_start_gives_way_to_the_one_before(
    offline, quiet, small_config, capsys
):
    source = offline(updates=20)
    (source.folder / "state" / "learner.safetensors").write_bytes(b"torn")
    config, run = small_config(warmup_steps=10), quiet("online", progress="plain")
    td7.train_from(source.folder, total_steps=20, config=config, run=run, keep_replay=True)
    assert "its last state is torn" in capsys.readouterr().out


@pytest.mark.parametrize("updates", [None, [], [1.5], [-1], [1, 2]])
def test_counters_of_the_start_are_checked(offline, quiet, updates):
    from td7.files.manifest import write_manifest
    from td7.run.saving import SCHEMA

    source = offline(updates=10)
    path = source.folder / "state" / "counters.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"updates": updates}))
    (path.parent / "manifest.json").unlink()
    write_manifest(path.parent, SCHEMA)
    shutil.rmtree(source.folder / "state.old")
    with pytest.raises(ValueError, match=r"counters\.json: updates"):
        td7.train_from(source.folder, run=quiet("online"))


def test_a_start_without_a_sound_state_is_refused_and_leaves_no_run(offline, quiet, tmp_path):
    source = offline(updates=10)
    (source.folder / "state" / "learner.safetensors").write_bytes(b"torn")
    shutil.rmtree(source.folder / "state.old")
    with pytest.raises(ValueError, match=r"learner\.safetensors is not as it was written"):
        td7.train_from(source.folder, run=quiet("online"))
    assert not (tmp_path / "online").exists()


def test_the_command_line_starts_from_a_run(offline, capsys, tmp_path):
    source = offline(updates=10)
    out = ["--out", str(tmp_path / "cli"), "--progress", "none", "--no-tensorboard"]
    small = ["--warmup-steps", "10", "--batch-size", "4", "--eval-episodes", "1"]
    main_exits(0, "train", "--from", str(source.folder), "--total-steps", "20", *small, *out)
    assert read_settings(tmp_path / "cli").start == str(source.folder)
    main_exits(1, "train", "--from", str(source.folder), "--env", ENV)
    assert "--from takes environment and seeds of that run" in capsys.readouterr().err
    main_exits(1, "train", "--keep-replay")
    assert "--keep-replay wants --from" in capsys.readouterr().err


def test_a_replay_on_the_device_learns_the_same(offline, small_config):
    """To the bit, from rows that came in by episodes."""
    states = [
        state_of(offline(place, config=small_config(eval_every=50, replay=place)).folder)
        for place in ("host", "device")
    ]
    assert same(*states)
