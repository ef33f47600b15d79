"""Folders that cannot be made, are half made, or cannot be replaced; displays that nobody reads."""

import contextlib
import errno
import os
import shutil
import sys

import pytest
from test_resume import assert_same

import td7
from conftest import TOY_RUN
from td7.files.whole import whole as files
from td7.run import folder as run_folder
from td7.training.display import Progress


def test_a_start_where_nothing_can_be_written_leaves_nothing(quiet, monkeypatch):
    run = quiet("file/run")
    run.out.parent.write_text("")
    with pytest.raises(NotADirectoryError, match="file"):
        td7.train("Toy/Point-v0", run=run, **TOY_RUN)
    assert run.out.parent.read_text() == ""


def test_a_start_that_fails_can_be_tried_again(whole, quiet, monkeypatch):
    run = quiet()

    def read_only(path):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(files, "sync", read_only)
        with pytest.raises(OSError, match=r"Read-only file system: '.*config.json.partial'"):
            td7.train("Toy/Point-v0", run=run, **TOY_RUN)
    assert [path.name for path in run.out.iterdir()] == ["lock"]
    td7.train("Toy/Point-v0", run=run, **TOY_RUN)
    assert_same(run.out, whole)


def test_a_run_is_not_replaced_by_half(whole, quiet, monkeypatch):
    run = quiet(overwrite=True)
    shutil.copytree(whole, run.out)
    before = {path: path.read_bytes() for path in run.out.rglob("*") if path.is_file()}

    def read_only(path, ignore_errors=False):
        if ignore_errors:
            return
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(run_folder.shutil, "rmtree", read_only)
        with pytest.raises(OSError, match=r"Read-only file system"):
            td7.train("Toy/Ending-v0", run=run, **TOY_RUN)
    # nothing is gone, and what is there is no run that could be taken for a whole one
    (run.out / "config.json.old").rename(run.out / "config.json")
    assert before == {path: path.read_bytes() for path in run.out.rglob("*") if path.is_file()}
    (run.out / "config.json").rename(run.out / "config.json.old")
    with pytest.raises(FileExistsError, match="already holds a run"):
        td7.train("Toy/Ending-v0", run=quiet(), **TOY_RUN)
    assert td7.train("Toy/Ending-v0", run=run, **TOY_RUN).finished
    assert not (run.out / "config.json.old").exists()


@pytest.mark.parametrize("mode", ["plain", "live"])
@pytest.mark.parametrize("output", ["a closed pipe", "a full disk"])
def test_a_display_that_nobody_can_read_ends_no_run(mode, output, monkeypatch):
    if output == "a closed pipe":
        reader, writer = os.pipe()
        os.close(reader)
    elif os.path.exists("/dev/full"):
        writer = os.open("/dev/full", os.O_WRONLY)
    else:
        pytest.skip("this system has no /dev/full")
    monkeypatch.setattr(sys, "stdout", os.fdopen(writer, "w"))
    with Progress(mode, [0], 10) as progress:
        progress.say("can you hear me?")
        progress.evaluation(0, 5, 1.0)
    with contextlib.suppress(OSError):  # what nobody has read is still there
        sys.stdout.close()
