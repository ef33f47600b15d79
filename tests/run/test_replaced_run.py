"""--overwrite replaces runs of td7 alone, whole or not at all, and deletes no other file."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from test_resume import assert_same, stop_after

import td7
import toy_envs
from conftest import TOY_RUN
from td7.cli import main
from td7.deploy.export import export
from td7.envs import SimulationError
from td7.run import folder as run_folder
from td7.run.metrics import read_metrics
from td7.run.replaced import ASIDE
from td7.training import session

__all__ = ["stop_after"]  # a fixture
NEW = TOY_RUN | {"total_steps": 230}


def files(folder):
    """Return all bytes of files and targets of links below a folder, without its lock."""
    found = {
        path.relative_to(folder): path.readlink() if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }
    found.pop(Path("lock"), None)
    return found


@pytest.fixture
def old(whole, quiet):
    """Settings that overwrite a finished run, in whose folder a person has put notes."""
    run = quiet(overwrite=True)
    shutil.copytree(whole, run.out, symlinks=True)
    (run.out / "notes.txt").write_text("mine")
    (run.out / "pictures").mkdir()
    (run.out / "pictures" / "curve.png").write_text("mine, too")
    return run


def test_a_run_is_replaced_and_what_a_person_put_beside_it_stays(old, quiet):
    export(old.out, old.out / "bundle", formats=["cpp"])
    assert td7.train("Toy/Ending-v0", run=old, **NEW).finished
    assert (old.out / "notes.txt").read_text() == "mine"
    assert (old.out / "pictures" / "curve.png").read_text() == "mine, too"
    assert not (old.out / "bundle").exists()
    td7.train("Toy/Ending-v0", run=quiet("new"), **NEW)
    names = {path.name for path in quiet("new").out.iterdir()} | {"notes.txt", "pictures"}
    assert {path.name for path in old.out.iterdir()} == names
    assert_same(old.out, quiet("new").out)


@pytest.mark.parametrize("config", ["{}", '{"schema": "other/1", "model_type": "bert"}', "no JSON"])
@pytest.mark.parametrize("command", ["train", "offline"])
def test_a_folder_of_another_program_is_never_overwritten(config, command, tmp_path, quiet):
    run = quiet(overwrite=True)
    for name in ("policy/model.safetensors", "state/data.bin", "metrics.jsonl"):
        (run.out / name).parent.mkdir(parents=True, exist_ok=True)
        (run.out / name).write_text("theirs")
    (run.out / "config.json").write_text(config)
    before = files(run.out)
    with pytest.raises(FileExistsError, match="exists and holds no run: choose another folder"):
        if command == "train":
            td7.train("Toy/Point-v0", run=run, **NEW)
        else:
            td7.train_offline(tmp_path / "data.npz", env="Toy/Point-v0", run=run)
    assert files(run.out) == before and not (run.out / "lock").exists()


@pytest.mark.parametrize(
    "name",
    [
        "policy/model.safetensors",
        "policy/seed-1.txt",
        "state/data.bin",
        "state/replay-0.bin.rows/mine",
        "state.old/notes",
        "tensorboard/mine/events.out.tfevents.1",
        "bundle/policy.onnx",
    ],
)
def test_a_run_with_files_that_td7_did_not_write_is_not_overwritten(name, old):
    (old.out / name).parent.mkdir(parents=True, exist_ok=True)
    (old.out / name).write_text("theirs")
    before = files(old.out)
    with pytest.raises(FileExistsError, match=f"{name} is no file that td7 wrote: move it"):
        td7.train("Toy/Ending-v0", run=old, **NEW)
    assert files(old.out) == before


def test_a_link_in_a_run_is_not_followed(old, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "counters.json").write_text("theirs")
    shutil.rmtree(old.out / "state.old", ignore_errors=True)
    (old.out / "state.old").symlink_to(tmp_path / "disk")
    with pytest.raises(FileExistsError, match=r"state\.old is no file that td7 wrote"):
        td7.train("Toy/Ending-v0", run=old, **NEW)
    assert (tmp_path / "disk" / "counters.json").read_text() == "theirs"


def test_a_new_run_that_fails_at_once_leaves_the_old_one(old, monkeypatch):
    before = files(old.out)
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="step of simulation 0"):
        patch.setattr(toy_envs.Point, "step", _no_room)
        td7.train("Toy/Point-v0", run=old, **NEW)
    assert files(old.out) == before
    for owner, name in ((session, "one_after_another"), (run_folder, "write_settings")):
        with monkeypatch.context() as patch, pytest.raises(OSError, match="no room"):
            patch.setattr(owner, name, _no_room)
            td7.train("Toy/Ending-v0", run=old, **NEW)
        assert files(old.out) == before
    assert td7.resume(old.out, total_steps=400, run=old).finished


def _no_room(*args):
    raise OSError("no room")


def test_a_new_run_that_fails_after_it_has_learned_is_kept(old):
    with pytest.raises(SimulationError):
        td7.train("Toy/NanObs-v0", run=old, **TOY_RUN | {"total_steps": 500})
    assert run_folder.read_settings(old.out).env == "Toy/NanObs-v0"
    assert not (old.out / ASIDE).exists() and (old.out / "state").is_dir()
    assert td7.resume(old.out, run=old).finished


def test_a_new_run_that_is_stopped_or_saved_replaces_the_old_one(old, stop_after, monkeypatch):
    stop_after(30)
    assert not td7.train("Toy/Ending-v0", run=old, **NEW).finished
    assert run_folder.read_settings(old.out).env == "Toy/Ending-v0"
    assert not (old.out / ASIDE).exists()
    stop_after()
    saved, save = [], session._save_on_the_way

    def watched(state, folder, *rest):
        saved.append((folder / ASIDE).exists())
        save(state, folder, *rest)

    monkeypatch.setattr(session, "_save_on_the_way", watched)
    td7.train("Toy/Point-v0", run=dataclasses.replace(old, save_every_steps=60), **NEW)
    assert saved[:3] == [True, False, False]


class Killed(BaseException):
    """Stands for a kill: nothing after it is run."""


@pytest.mark.parametrize("moves", range(5))
def test_a_kill_while_a_run_is_replaced_leaves_one_whole_run(moves, old, monkeypatch):
    before, rename, left = files(old.out), Path.rename, [moves]

    def killed(path, target):
        if left[0] == 0:
            raise Killed
        left[0] -= path.parent in (old.out, old.out / ASIDE)
        return rename(path, target)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Path, "rename", killed)
        patch.setattr("td7.training.online.put_back", lambda folder: None)
        td7.train("Toy/Ending-v0", run=old, **NEW)
    assert not (old.out / "config.json").exists() or moves == 0
    with pytest.raises(FileExistsError, match="already holds a run"):
        td7.train("Toy/Ending-v0", run=dataclasses.replace(old, overwrite=False), **NEW)
    if moves:
        with pytest.raises(ValueError, match=rf"no config\.json\); td7 train --resume .*{ASIDE}"):
            run_folder.read_settings(old.out)
    with pytest.raises(ValueError, match="total_steps must be at least the run's 300"):
        td7.resume(old.out, total_steps=1, run=old)
    assert files(old.out) == before  # resuming puts it back


@pytest.mark.parametrize("at", ["td7.run.folder.write_settings", "td7.training.online.sit"])
def test_overwriting_again_after_a_kill_keeps_the_old_run_until_the_new_one_is_saved(
    at, old, monkeypatch
):
    before = files(old.out)
    with monkeypatch.context() as patch:
        patch.setattr(at, _killed)
        patch.setattr("td7.training.online.put_back", lambda folder: None)
        for _ in range(2):
            with pytest.raises(Killed):
                td7.train("Toy/Ending-v0", run=old, **NEW)
            assert (old.out / ASIDE / "config.json").is_file()
    monkeypatch.setattr(session, "one_after_another", _no_room)
    with pytest.raises(OSError, match="no room"):
        td7.train("Toy/Ending-v0", run=old, **NEW)
    assert files(old.out) == before


def _killed(*args):
    raise Killed


def test_what_an_earlier_td7_left_of_a_run_that_it_was_replacing_is_replaced(old, quiet):
    shutil.rmtree(old.out / "state")
    (old.out / "config.json").rename(old.out / "config.json.old")
    with pytest.raises(FileExistsError, match="already holds a run"):
        td7.train("Toy/Ending-v0", run=dataclasses.replace(old, overwrite=False), **NEW)
    assert td7.train("Toy/Ending-v0", run=old, **NEW).finished
    assert not (old.out / "config.json.old").exists()
    assert read_metrics(old.out)[-1]["env_steps"] == 230


def test_an_export_deletes_no_folder_beside_its_bundle(whole, tmp_path):
    theirs = tmp_path / "bundle.partial" / "data.bin"
    theirs.parent.mkdir()
    theirs.write_text("theirs")
    with pytest.raises(SystemExit) as ended:
        main(["export", str(whole), "-o", str(tmp_path / "bundle"), "--format=cpp"])
    assert ended.value.code == 0
    assert theirs.read_text() == "theirs"
    assert {path.name for path in tmp_path.iterdir()} == {"bundle", "bundle.partial"}
    assert json.loads((tmp_path / "bundle" / "manifest.json").read_text())["seed"] == 1
