"""Disks that are full, read-only or lose what was on them: a run goes on, or can be resumed."""

import dataclasses
import errno
import os
import resource
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_resume import assert_same, contents

import td7
from conftest import TOY_RUN
from td7.envs import SimulationError
from td7.policy.saved import Policy, load_policy
from td7.run import folder as run_folder
from td7.run.metrics import MetricsWriter, read_metrics
from td7.training import report, session
from td7.training.report import Report


@pytest.fixture
def told(quiet):
    """Return settings of a run that says what happens, and saves on the way."""
    return quiet(save_every_steps=40, progress="plain")


@contextmanager
def file_size_limit(most):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


class BadFile:
    """A file whose disk fails while `failing()` is true; a full one takes the half of a row."""

    def __init__(self, file, number, failing):
        self.file, self.number, self.failing = file, number, failing

    def write(self, data):
        if not self.failing():
            return self.file.write(data)
        if self.number == errno.ENOSPC:
            self.file.write(data[: len(data) // 2])
        raise OSError(self.number, os.strerror(self.number))

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.fixture
def bad_metrics(monkeypatch):
    """Return a function: writes of metrics.jsonl fail by an error number while `failing()`."""
    start = MetricsWriter.__init__

    def install(number, failing):
        def made(writer, *args, **kwargs):
            start(writer, *args, **kwargs)
            writer._file = BadFile(writer._file, number, failing)

        monkeypatch.setattr(MetricsWriter, "__init__", made)

    return install


@pytest.fixture
def during(monkeypatch):
    """Return a function that runs `fault`, a context, around the n-th call of a function."""

    def install(owner, name, number, fault):
        call, calls = getattr(owner, name), []

        def faulty(*args, **kwargs):
            calls.append(1)
            if len(calls) != number:
                return call(*args, **kwargs)
            with fault():
                return call(*args, **kwargs)

        monkeypatch.setattr(owner, name, faulty)
        return calls

    return install


@pytest.mark.parametrize("place", ["host", "device"])
def test_a_replay_that_does_not_fit_leaves_the_last_state(place, told, during, capsys):
    small = dict.fromkeys(("embedding_size", "encoder_hidden", "critic_hidden", "actor_hidden"), 4)
    config = dataclasses.replace(TOY_RUN["config"], **small, replay=place)
    options = {"seeds": [1], "total_steps": 650, "config": config}
    run = dataclasses.replace(told, save_every_steps=300)

    @contextmanager
    def room_for_all_but_the_replay():
        before = contents(run.out / "state")
        try:
            with file_size_limit(len(before[Path("learner.safetensors")]) + 100):
                yield
        finally:
            assert before == contents(run.out / "state")

    calls = during(session, "save_state", 2, room_for_all_but_the_replay)
    assert td7.train("Toy/Point-v0", run=run, **options).finished
    assert len(calls) == 3
    said = capsys.readouterr().out
    assert "the state could not be saved, and the last one stays: [Errno 27]" in said
    assert "replay-0.bin" in said


def test_a_state_that_does_not_fit_gives_its_room_back(whole, told, during, monkeypatch):
    save, left = session._save_on_the_way, []

    def watched(state, folder, *rest):
        save(state, folder, *rest)
        left.append([(folder / name).exists() for name in ("state", "state.partial")])

    monkeypatch.setattr(session, "_save_on_the_way", watched)
    during(session, "save_state", 1, lambda: file_size_limit(5_000))
    td7.train("Toy/Point-v0", run=told, **TOY_RUN)
    assert left[:2] == [[False, False], [True, False]]
    assert_same(told.out, whole)


def test_a_last_save_that_fails_says_so_and_the_run_can_be_resumed(whole, told, during):
    calls = during(session, "save_state", 3, lambda: file_size_limit(5_000))
    run = dataclasses.replace(told, save_every_steps=120)
    with pytest.raises(OSError, match=r"could not be saved, and the last one stays: \[Errno 27\]"):
        td7.train("Toy/Point-v0", run=run, **TOY_RUN)
    assert len(calls) == 3
    assert td7.resume(run.out, run=run).finished
    assert_same(run.out, whole)


def test_a_full_disk_hides_no_error_of_the_run(told, during, monkeypatch, capsys):
    during(session, "save_state", 2, lambda: file_size_limit(0))
    run = dataclasses.replace(told, save_every_steps=300)
    with pytest.raises(SimulationError, match="step 333"):
        td7.train("Toy/NanObs-v0", run=run, **TOY_RUN | {"total_steps": 400})
    assert "could not be saved, and the last one stays: [Errno 27]" in capsys.readouterr().out
    assert (run.out / "state" / "manifest.json").is_file()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_rows_that_cannot_be_written_wait_until_they_can(
    number, whole, told, bad_metrics, monkeypatch, capsys
):
    write, rows, sizes = Report._write, [], []
    bad_metrics(number, lambda: 2 <= len(rows) <= 4)

    def counted(report, row):
        rows.append(row)
        write(report, row)
        sizes.append(report.metrics.size())

    monkeypatch.setattr(Report, "_write", counted)
    assert td7.train("Toy/Point-v0", run=told, **TOY_RUN).finished
    assert {row["event"] for row in rows[1:4]} == {"round", "evaluation"}
    assert len(set(sizes[:4])) == 1
    said = capsys.readouterr().out
    text = f"metrics.jsonl cannot be written for now, and the run goes on: [Errno {number}]"
    assert said.count(text) == 1
    assert_same(told.out, whole)


def test_a_state_saved_while_rows_wait_is_resumed_with_whole_rows(
    told, bad_metrics, whole, small_config
):
    bad_metrics(errno.ENOSPC, lambda: True)
    text = r"No space left on device \(\d+ rows are not written\)"
    with pytest.raises(OSError, match=text):
        td7.train("Toy/Point-v0", run=told, **TOY_RUN)
    assert (told.out / "state" / "manifest.json").is_file()
    bad_metrics(errno.ENOSPC, lambda: False)
    assert td7.resume(told.out, total_steps=350, run=told).finished
    assert [r["env_steps"] for r in read_metrics(told.out) if r["event"] == "evaluation"] == [350]


@pytest.mark.parametrize("fault", ["a file in its place", "a full disk"])
def test_a_policy_that_cannot_be_written_is_written_later(
    fault, whole, told, during, monkeypatch, capsys
):
    @contextmanager
    def a_file_in_its_place():
        (told.out / "policy").rename(told.out / "moved")
        (told.out / "policy").write_text("")
        try:
            yield
        finally:
            (told.out / "policy").unlink()
            (told.out / "moved").rename(told.out / "policy")
            (told.out / "policy" / "seed-1").unlink()

    if fault == "a full disk":  # a state without its policy is none
        during(Policy, "save", 2, lambda: file_size_limit(100))
        message = "the state could not be saved, and the last one stays: [Errno 27]"
    else:
        during(report, "link_policies", 3, a_file_in_its_place)
        message = "policy/ cannot be written for now, and the run goes on: "
    evaluated = []
    monkeypatch.setattr(Report, "finish", lambda report: evaluated.append(env_steps(told)))
    td7.train("Toy/Point-v0", run=told, **TOY_RUN)
    assert message in capsys.readouterr().out
    assert evaluated == [300]
    assert_same(told.out, whole)


def env_steps(run):
    return load_policy(run.out / "policy" / "seed-1").metadata["env_steps"]


def test_the_last_policy_is_written_at_the_end_or_by_resuming(whole, told):
    told.out.mkdir()
    run_folder.make_run_folder(told.out, run_folder.read_settings(whole))
    (told.out / "policy").write_text("no folder")
    with pytest.raises(OSError, match="policy/seed-1"):
        td7.resume(told.out, run=told)
    (told.out / "policy").unlink()
    assert td7.resume(told.out, run=told).finished
    assert env_steps(told) == 300
    assert_same(told.out, whole)


@pytest.mark.parametrize("at", ["the start", "a row"])
def test_tensorboard_that_cannot_be_written_is_left_out(at, whole, told, during, capsys):
    run = dataclasses.replace(told, tensorboard=True)

    @contextmanager
    def fails():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield

    if at == "the start":
        shutil.copytree(whole, run.out)
        shutil.rmtree(run.out / "state")
        (run.out / "tensorboard").write_text("no folder")
        td7.resume(run.out, run=run)
    else:
        from torch.utils.tensorboard import SummaryWriter

        calls = during(SummaryWriter, "add_scalar", 20, fails)
        td7.train("Toy/Point-v0", run=run, **TOY_RUN)
        assert len(calls) == 20
    assert "tensorboard/ cannot be written for now, and the run goes on" in capsys.readouterr().out
    assert_same(run.out, whole)


def test_a_folder_that_is_away_for_a_while_costs_nothing(whole, told, during, bad_metrics, capsys):
    """Nothing in it can be opened, made or renamed meanwhile, as on a disk that is read-only."""
    away = told.out.with_name("away")
    bad_metrics(errno.EROFS, away.exists)
    save, save_state = [], session.save_state

    def saving(state, folder, **where):
        save.append(1)
        if len(save) == 4:
            folder.rename(away)
            folder.write_text("")
        if len(save) == 6:
            folder.unlink()
            away.rename(folder)
        save_state(state, folder, **where)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "save_state", saving)
        assert td7.train("Toy/Point-v0", run=told, **TOY_RUN).finished
    said = capsys.readouterr().out
    assert said.count("the state could not be saved") == 2
    assert said.count("metrics.jsonl cannot be written for now, and the run goes on: ") == 1
    assert_same(told.out, whole)
