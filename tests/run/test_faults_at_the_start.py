"""Folders that cannot be made, are half made, or cannot be replaced; displays that nobody reads."""

import contextlib
import errno
import os
import sys

import pytest
from test_resume import assert_same

import td7
from conftest import TOY_RUN
from td7.files import whole as files
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
