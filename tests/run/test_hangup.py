"""SIGHUP, of a closed terminal, stops a run with its state saved, unless it was ignored before."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from conftest import SMALL

TINY = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import conftest, td7.cli
try:
    td7.cli.main(sys.argv[3:])
except SystemExit as ended:
    with open(sys.argv[2], "w") as file:
        file.write(str(ended.code))
    raise
"""


def started(folder, total_steps, *more, **process):
    """Start a run and wait until it has collected and learned."""
    train = ["train", "--env", "Toy/Point-v0", "--no-tensorboard", "--execution=eager"]
    program = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(Path(__file__).parents[1])]
    options = [f"--total-steps={total_steps}", f"--out={folder}", *more]
    running = subprocess.Popen(
        [*program, str(folder.with_name("code")), *train, *TINY, *options], **process
    )
    metrics, deadline = folder / "metrics.jsonl", time.monotonic() + 60
    while not (metrics.exists() and '"round"' in metrics.read_text()):
        assert time.monotonic() < deadline and running.poll() is None
        time.sleep(0.02)
    return running


def test_a_hangup_stops_a_run_with_its_state_saved(tmp_path):
    running = started(tmp_path / "run", 10**6, stdout=subprocess.PIPE, text=True)
    running.send_signal(signal.SIGHUP)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert f"stopped; continue with: td7 train --resume {tmp_path / 'run'}" in said
    assert (tmp_path / "run" / "state" / "manifest.json").is_file()


@pytest.mark.parametrize("progress", ["live", "plain"])
def test_a_terminal_that_is_closed_stops_its_run_with_its_state_saved(progress, tmp_path):
    ours, theirs = pty.openpty()
    running = started(
        tmp_path / "run",
        10**6,
        f"--progress={progress}",
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    os.close(theirs)
    os.close(ours)
    running.wait(60)
    assert (tmp_path / "code").read_text() == "130"
    assert (tmp_path / "run" / "state" / "manifest.json").is_file()


def _take_terminal():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_a_hangup_that_was_ignored_from_the_start_stops_nothing(tmp_path):
    running = started(
        tmp_path / "run",
        1500,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    running.send_signal(signal.SIGHUP)
    assert running.wait(60) == 0
    assert (tmp_path / "code").read_text() == "0"
