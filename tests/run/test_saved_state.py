"""The folder of a saved state: what is linked, what is refused, what is gone back to."""

import errno
import json
import os
import shutil

import numpy as np
import pytest

import td7
from td7.files import manifest
from td7.files.manifest import read_manifest, write_manifest
from td7.replay import DeviceLapReplay, LapReplay
from td7.run.metrics import read_metrics
from td7.training import session
from td7.training.report import Report

FILES = ("learner.safetensors", "replay-0.bin", "counters.json", "episodes.safetensors")


@pytest.fixture
def saved(small_config, quiet):
    """A finished run of 120 steps, to be resumed."""
    run = quiet()
    td7.train("Toy/Point-v0", total_steps=120, config=small_config(), run=run)
    return run


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()  # what is linked elsewhere stays as it is
    path.write_bytes(content)


@pytest.mark.parametrize("name", [*FILES, "rows"])
def test_an_altered_state_is_refused_by_the_name_of_the_file(name, saved):
    state = saved.out / "state"
    path = next((state / "replay-0.bin.rows").iterdir()) if name == "rows" else state / name
    flip_a_byte(path)
    with pytest.raises(ValueError, match=f"{path.name} is not as it was written"):
        td7.resume(saved.out, run=saved)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"schema": "td7.st', "manifest.json does not parse"),
        ("[" * 100_000, "manifest.json does not parse"),
        ("[]", "it is no JSON object"),
        ('{"schema": NaN}', "NaN is no JSON"),
        ("\xff", "manifest.json does not parse"),
        ('{"schema": "td7.state/1"}', "schema must be td7.state/4, got 'td7.state/1': resume it w"),
        ('{"schema": "td7.state/4"}', "sha256 must be an object, got None"),
        ('{"schema": "td7.state/4", "sha256": []}', "sha256 must be an object"),
        ('{"schema": "td7.state/4", "sha256": {}}', "counters.json: the folder and its manifest"),
        (
            '{"schema": "td7.state/4", "sha256": {"../config.json": "0"}}',
            "state/../config.json: the folder and its manifest differ",
        ),
        (
            '{"schema": "td7.state/4", "sha256": {"/etc/passwd": "0"}}',
            "/etc/passwd: the folder and its manifest differ",
        ),
    ],
)
def test_a_manifest_that_tells_something_else_is_refused(content, message, saved):
    (saved.out / "state" / "manifest.json").write_text(content, encoding="latin-1")
    with pytest.raises(ValueError) as refused:
        td7.resume(saved.out, run=saved)
    assert message in str(refused.value)


def test_a_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "whole").write_text("content")
    write_manifest(tmp_path, "test/1")
    assert read_manifest(tmp_path, "test/1")["sha256"].keys() == {"whole"}
    (tmp_path / "whole").unlink()
    (tmp_path / "whole").symlink_to("/dev/zero")  # would be read for ever
    with pytest.raises(ValueError, match="whole is a symbolic link"):
        read_manifest(tmp_path, "test/1")
    (tmp_path / "whole").unlink()
    os.mkfifo(tmp_path / "whole")  # would be waited for
    with pytest.raises(ValueError, match="whole is not as it was written"):
        read_manifest(tmp_path, "test/1")


def test_a_torn_state_is_moved_aside_for_the_one_before_it(saved, monkeypatch):
    told = []
    monkeypatch.setattr(Report, "say", lambda self, text: told.append(text))
    td7.resume(saved.out, total_steps=250, run=saved)
    wanted = [(saved.out / "state" / name).read_bytes() for name in FILES if "json" not in name]
    rows = [row["event"] for row in read_metrics(saved.out)]
    flip_a_byte(saved.out / "state" / "learner.safetensors")
    td7.resume(saved.out, total_steps=250, run=saved)
    assert [(saved.out / "state" / n).read_bytes() for n in FILES if "json" not in n] == wanted
    assert [row["event"] for row in read_metrics(saved.out)] == rows
    assert (saved.out / "state.torn").is_dir()
    assert "is not as it was written" in told[0] and "the state before it" in told[0]


def test_a_torn_state_is_refused_where_the_one_before_is_torn_too(small_config, quiet):
    run = quiet()
    td7.train("Toy/Point-v0", total_steps=120, config=small_config(), run=run)
    td7.resume(run.out, total_steps=250, run=run)
    for name in ("state", "state.old"):
        flip_a_byte(run.out / name / "learner.safetensors")
    with pytest.raises(ValueError, match=r"state/learner\.safetensors is not as it was written"):
        td7.resume(run.out, total_steps=400, run=run)
    assert (run.out / "state").is_dir()  # nothing was moved


def test_a_whole_state_of_another_td7_is_never_given_up_for_an_older_one(saved):
    td7.resume(saved.out, total_steps=250, run=saved)
    path = saved.out / "state" / "manifest.json"
    path.write_text(path.read_text().replace("td7.state/4", "td7.state/5"))
    with pytest.raises(ValueError, match=r"schema must be td7.state/4, got 'td7.state/5'"):
        td7.resume(saved.out, total_steps=400, run=saved)
    assert path.exists()


def test_a_state_that_cannot_be_read_gives_way_to_the_one_before(saved, monkeypatch):
    td7.resume(saved.out, total_steps=250, run=saved)
    read = manifest.sha256_of

    def failing(path):
        if path.parent.name == "state":
            raise OSError(errno.EIO, "a bad sector")
        return read(path)

    monkeypatch.setattr(manifest, "sha256_of", failing)
    told = []
    monkeypatch.setattr(Report, "say", lambda self, text: told.append(text))
    with monkeypatch.context() as patch:
        patch.setattr(session, "save_state", lambda *a, **k: None)
        td7.resume(saved.out, total_steps=250, run=saved)
    assert "a bad sector; the run goes on from the state before it" in told[0]


# Rows in pieces. A piece is of 2 MiB at most: 16 rows of these sizes.

WIDE = {"capacity": 100, "obs_size": 20_000, "action_size": 2}


def add(replay, rng, steps):
    replay.add_episode(
        rng.standard_normal((steps + 1, 20_000), dtype=np.float32),
        rng.standard_normal((steps, 2), dtype=np.float32),
        rng.standard_normal(steps, dtype=np.float32),
        False,
    )


def whole(replay, path):
    """Return what a replay holds."""
    replay.save(path)
    return path.read_bytes()


def inodes(path):
    return {
        piece.name: piece.stat().st_ino for piece in path.with_name(path.name + ".rows").iterdir()
    }


@pytest.mark.parametrize("place", ["memory", "file", "device"])
def test_a_save_in_pieces_writes_only_what_has_changed(place, tmp_path):
    def fresh():
        if place == "device":
            return DeviceLapReplay(**WIDE)
        return LapReplay(**WIDE, scratch_dir=tmp_path if place == "file" else None)

    rng, replay, before, shared = np.random.default_rng(0), fresh(), None, []
    for number, steps in enumerate((40, 7, 1, 30, 0, 60, 33)):
        if steps:
            add(replay, rng, steps)
        path = tmp_path / f"save-{number}"
        replay.save(path, in_pieces=True, earlier=before)
        again = fresh()
        again.load(path)
        assert whole(again, tmp_path / "again") == whole(replay, tmp_path / "replay")
        if before is not None:
            old, new = inodes(before), inodes(path)
            assert all(old[name] == new[name] for name in old.keys() & new.keys())
            shared.append((len(old.keys() & new.keys()), len(new)))
        before = path
    assert shared[3][0] == shared[3][1]  # nothing was added: nothing written
    assert all(0 < common < count for common, count in shared[:3])


def test_pieces_that_cannot_be_linked_are_written(tmp_path, monkeypatch):
    rng, replay = np.random.default_rng(0), LapReplay(**WIDE)
    add(replay, rng, 40)
    replay.save(tmp_path / "one", in_pieces=True, earlier=tmp_path / "there is none")
    pieces = sorted((tmp_path / "one.rows").iterdir())
    pieces[0].unlink()
    pieces[1].write_bytes(b"torn")
    replay.save(tmp_path / "two", in_pieces=True, earlier=tmp_path / "one")
    again = LapReplay(**WIDE)
    again.load(tmp_path / "two")
    assert whole(again, tmp_path / "again") == whole(replay, tmp_path / "replay")


@pytest.mark.parametrize("replay_class", [LapReplay, DeviceLapReplay])
def test_missing_torn_and_altered_pieces_are_named_and_change_nothing(replay_class, tmp_path):
    replay = replay_class(**WIDE)
    add(replay, np.random.default_rng(0), 40)
    kept = whole(replay, tmp_path / "kept")
    replay.save(tmp_path / "good", in_pieces=True)
    for harm in (
        lambda piece: piece.unlink(),
        lambda piece: piece.write_bytes(piece.read_bytes()[:-1]),
        lambda piece: piece.write_bytes(piece.read_bytes() + b"0"),
        flip_a_byte,
    ):
        shutil.rmtree(tmp_path / "bad.rows", ignore_errors=True)
        shutil.copytree(tmp_path / "good.rows", tmp_path / "bad.rows")
        shutil.copy(tmp_path / "good", tmp_path / "bad")
        piece = sorted((tmp_path / "bad.rows").iterdir())[-1]
        harm(piece)
        with pytest.raises(ValueError, match=f"lacks rows: .*{piece.name} is"):
            replay.load(tmp_path / "bad")
        assert whole(replay, tmp_path / "replay") == kept


def test_rows_are_never_put_into_a_folder_that_is_there(tmp_path):
    replay = LapReplay(**WIDE)
    add(replay, np.random.default_rng(0), 3)
    replay.save(tmp_path / "one", in_pieces=True)
    kept = inodes(tmp_path / "one")
    with pytest.raises(ValueError, match=r"path must be new, with its rows: .*one.rows exists"):
        replay.save(tmp_path / "one", in_pieces=True)
    assert inodes(tmp_path / "one") == kept
    with pytest.raises(ValueError, match="earlier must be left out without in_pieces"):
        replay.save(tmp_path / "two", earlier=tmp_path / "one")
    with pytest.raises(OSError):
        replay.save(tmp_path / "no folder" / "two", in_pieces=True)
    (tmp_path / "two.partial").mkdir()  # the file itself cannot be written
    with pytest.raises(OSError):
        replay.save(tmp_path / "two", in_pieces=True)
    (tmp_path / "two.partial").rmdir()
    replay.save(tmp_path / "two", in_pieces=True)  # nothing of the first try is in its way


def test_a_runs_state_links_the_rows_of_the_state_before(small_config, quiet):
    run = quiet()
    config = small_config(buffer_capacity=200_000, warmup_steps=100_000)
    td7.train("HalfCheetah-v5", total_steps=18_000, config=config, run=run)
    td7.resume(run.out, total_steps=19_500, run=run)
    old, new = (inodes(run.out / name / "replay-0.bin") for name in ("state.old", "state"))
    assert len(new) == 2 and len(old.items() & new.items()) == 1
    sums = json.loads((run.out / "state" / "manifest.json").read_text())["sha256"]
    assert {name for name in sums if "rows/" in name} == {f"replay-0.bin.rows/{n}" for n in new}
