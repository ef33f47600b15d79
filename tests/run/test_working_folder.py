"""An environment that changes the working folder, as many simulators do, moves no file of td7."""

import os
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import td7
import toy_envs
from conftest import SMALL
from td7.cli import main
from td7.config import RunConfig, TD7Config
from td7.datasets.record import collect
from td7.deploy.export import export
from td7.training.evaluate import evaluate_run

ENV = "Toy/Leaving-v0"
OPTIONS = {"seeds": [1], "total_steps": 230, "config": TD7Config(**SMALL)}
QUIET = {"progress": "none", "tensorboard": False}


class Leaving(toy_envs.Point):
    """Changes the working folder whenever it is made or reset."""

    elsewhere = ""

    def __init__(self):
        super().__init__()
        os.chdir(self.elsewhere)

    def reset(self, *, seed=None, options=None):
        os.chdir(self.elsewhere)
        return super().reset(seed=seed)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The working folder of every command; at the end no file must be elsewhere."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setattr(Leaving, "elsewhere", str(elsewhere))
    if ENV not in gymnasium.registry:
        gymnasium.register(ENV, Leaving, max_episode_steps=50)
    yield home
    assert list(elsewhere.iterdir()) == []


def at(home, command, *args, **kwargs):
    """Call a function with `home` as the working folder; the environment then leaves it."""
    os.chdir(home)
    result = command(*args, **kwargs)
    assert Path.cwd() == Path(Leaving.elsewhere)
    return result


def test_all_files_of_a_run_are_in_one_folder(home):
    run = RunConfig(out="run", scratch_dir=".", save_every_steps=60, **QUIET)
    result = at(home, td7.train, ENV, run=run, **OPTIONS)
    assert result.folder == home / "run"
    assert at(home, td7.resume, "run", total_steps=300, run=run).finished
    assert at(home, td7.train, ENV, run=RunConfig(**QUIET), **OPTIONS).finished
    assert {path.name for path in home.iterdir()} == {"run", "runs"}
    for folder in (home / "run", home / "runs" / "Toy-Leaving-v0-seed-1"):
        names = {path.name for path in folder.iterdir()}
        assert {"config.json", "metrics.jsonl", "policy", "state"} <= names


def test_runs_are_evaluated_exported_collected_from_and_continued(home):
    at(home, td7.train, ENV, run=RunConfig(out="run", **QUIET), **OPTIONS | {"seeds": [1, 2]})
    assert len(at(home, evaluate_run, "run", episodes=1)) == 2
    at(home, export, "run", "bundle", seed=1, formats=["cpp"])
    with pytest.raises(SystemExit) as ended:
        at(home, main, ["verify", "bundle", "--env", ENV])
    assert ended.value.code == 0
    start = RunConfig(out="later", **QUIET)
    options = {"total_steps": 230, "config": OPTIONS["config"]}
    assert at(home, td7.train_from, "run", run=start, keep_replay=True, **options).finished
    again = RunConfig(out="later", overwrite=True, **QUIET)
    assert at(home, td7.train_from, "run", run=again, **options).finished
    assert {path.name for path in home.iterdir()} == {"run", "bundle", "later"}


def test_a_data_set_is_collected_and_learned_from(home):
    pytest.importorskip("minari")
    at(home, td7.train, ENV, run=RunConfig(out="run", **QUIET), **OPTIONS)
    at(home, collect, "run", "mine-v0", steps=200)
    run, config = RunConfig(out="cloned", **QUIET), OPTIONS["config"]
    options = {"env": ENV, "updates": 20, "config": config}
    assert at(home, td7.train_offline, "mine-v0", run=run, **options).finished
    rng = np.random.default_rng(0)
    np.savez(
        home / "data.npz",
        observations=rng.normal(size=(200, 3)).astype(np.float32),
        actions=np.tile(np.float32([0, 0.25]), (200, 1)),
        rewards=np.zeros(200, np.float32),
        terminals=np.zeros(200, bool),
        timeouts=np.arange(200) % 50 == 49,
    )
    run = RunConfig(out="cloned", overwrite=True, **QUIET)
    assert at(home, td7.train_offline, "data.npz", run=run, **options).finished
    assert {path.name for path in home.iterdir()} == {"run", "mine-v0", "cloned", "data.npz"}


def test_a_relative_store_of_minari_is_found_after_the_folder_has_changed(home, monkeypatch):
    pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", "store")
    at(home, td7.train, ENV, run=RunConfig(out="run", **QUIET), **OPTIONS)
    (home / "store").mkdir()
    at(home, collect, "run", "store/mine-v0", steps=200)
    options = {"env": ENV, "updates": 20, "config": OPTIONS["config"]}
    run = RunConfig(out="cloned", **QUIET)
    assert at(home, td7.train_offline, "mine-v0", run=run, **options).finished
