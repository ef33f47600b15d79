"""What is printed: text that stdout cannot encode or write stops nothing; names are plain text."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

import td7
from conftest import SMALL, TOY_RUN
from td7.cli import main
from td7.study.plot import plot_runs
from td7.terminal import Output, terminal_text
from td7.training.display import Progress

TINY = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
# not ASCII, not cp1252, rich's markup and emoji, a colour and a line of its own
NAME = "né[lr=3e-4]-日本-[/x]:bug:\x1b[31m\nnext"
ENCODINGS = {"ascii": r"n\xe9", "cp1252": "né", "utf-8": "né"}
JAPANESE = {"ascii": r"\u65e5\u672c", "cp1252": r"\u65e5\u672c", "utf-8": "日本"}
PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); import conftest, td7.cli; td7.cli.main()"
)


def exit_status(arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


@pytest.fixture
def shown(monkeypatch):
    """Return a function: runs a command with stdout and stderr of an encoding; what they hold."""

    def run(encoding, *arguments):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding, newline="") for _ in range(2)]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            status = exit_status(arguments)
        return status, *[stream.buffer.getvalue().decode(encoding) for stream in streams]

    return run


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_names_are_printed_as_plain_text_in_every_encoding(encoding, shown, tmp_path):
    run, data = tmp_path / NAME, tmp_path / f"{NAME}-data" / "data-v0"
    picture, bundle = tmp_path / f"{NAME}.png", tmp_path / f"{NAME}-bundle"
    train = ("train", "--env", "Toy/Point-v0", "--total-steps=150", "--out", run, *TINY)
    commands = {
        "train": (*train, "--progress=plain"),
        "train again": train,
        "eval": ("eval", run, "--episodes=1"),
        "collect": ("collect", run, "-o", data, "--steps=20"),
        "plot": ("plot", run, "-o", picture),
        "export": ("export", run, "-o", bundle, "--format=onnx", "--untrained"),
    }
    for name, command in commands.items():
        status, out, err = shown(encoding, *command)
        assert status == (1 if name == "train again" else 0), err
        if name != "eval":
            said = err if name == "train again" else out
            assert f"{ENCODINGS[encoding]}[lr=3e-4]-{JAPANESE[encoding]}-" in said, name
            assert r"-[/x]:bug:\x1b[31m" in said, name
        assert "\x1b" not in out + err


def test_a_display_prints_markup_emoji_codes_and_control_characters_as_text(capsys):
    with Progress("plain", [0], 10) as progress:
        progress.say("td7 train --resume exp[lr=3e-4][/x]:bug:\x1b[31m\x9b\n[bold]next")
    said = capsys.readouterr().out
    assert said == "td7 train --resume exp[lr=3e-4][/x]:bug:\\x1b[31m\\xc2\\x9b\\x0a[bold]next\n"


def test_a_live_display_fits_a_narrow_terminal_that_knows_ascii_alone(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    stream.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("TERM", "xterm")
    with Progress("live", [0], 10) as progress:
        progress.say("é")
    assert b"\\xe9" in stream.buffer.getvalue()


def test_control_characters_are_escaped_and_ends_of_lines_kept_where_wanted():
    text = "a\tb\r\nc\x00\x7f\x85é\U0001f600"
    assert terminal_text(text) == "a\\x09b\\x0d\\x0ac\\x00\\x7f\\xc2\\x85é\U0001f600"
    assert terminal_text(text, lines=True) == terminal_text(text).replace("\\x0a", "\n")


def test_every_rich_console_of_the_package_is_the_plain_one():
    package = Path(td7.__file__).parent
    makers = [path for path in package.rglob("*.py") if re.search(r"\bConsole\(", path.read_text())]
    assert makers == [package / "terminal.py"]


def test_a_picture_shows_names_as_they_are(whole, tmp_path, monkeypatch):
    figures, savefig = [], Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **k: (figures.append(self), savefig(self, *a, **k))
    )
    names = ["_hidden", r"cost$\frac$5$", "[bold]\x1b[31m"]
    runs = [tmp_path / name for name in names]
    for run in runs:
        run.symlink_to(whole)
    plot_runs(runs, tmp_path / "curves.png")
    shown = [text.get_text() for text in figures[0].axes[0].get_legend().get_texts()]
    assert shown == [f"{terminal_text(name)}: Toy/Point-v0 (1 seed)" for name in names]


def test_a_stream_that_the_program_has_closed_drops_what_is_written():
    stream = io.StringIO()
    stream.close()
    output = Output(stream)
    print("lost", file=output, flush=True)
    assert not output.isatty() and str(output.lost) == "it is closed"


def test_a_process_without_stdout_prints_to_nowhere(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with Progress("plain", [0], 10) as progress:
        progress.say("can you hear me?")
    assert exit_status(["eval", "nothing"]) == 1


def streams(kind):
    """Return what a shell does with a command's stdout: a descriptor, or how to begin without."""
    if kind == "closed pipe":
        reader, writer = os.pipe()
        os.close(reader)
        return {"stdout": writer}
    if kind == "full disk":
        return {"stdout": os.open("/dev/full", os.O_WRONLY)}
    return {"preexec_fn": lambda: os.close(1)}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("kind", ["closed pipe", "full disk", "closed"])
def test_stdout_that_cannot_be_written_ends_no_command_and_leaves_no_traceback(
    kind, whole, tmp_path
):
    trained = tmp_path / "run"
    train = ["train", "--env=Toy/Point-v0", "--total-steps=150", f"--out={trained}", *TINY]
    commands = {
        "train": train,
        "eval": ["eval", whole, "--episodes=1"],
        "plot": ["plot", whole, "-o", tmp_path / "curve.png"],
        "doctor": ["doctor"],
        "help": ["train", "--help"],
    }
    start, here = [sys.executable, "-W", "ignore", "-c", PROGRAM], Path(__file__).parents[1]
    processes = {
        name: subprocess.Popen(
            [*start, here, *command], stderr=subprocess.PIPE, text=True, **streams(kind)
        )
        for name, command in commands.items()
    }
    for name, process in processes.items():
        said = process.communicate()[1]
        lost = "td7: error: stdout cannot be written: No space left on device\n"
        assert said == (lost if kind == "full disk" else ""), name
        prints_its_result = name in ("eval", "doctor")
        assert process.returncode == int(kind == "full disk" and prints_its_result), name
    assert td7.resume(trained, run=td7.RunConfig(progress="none")).finished
    assert (tmp_path / "curve.png").is_file()


def test_an_environment_that_prints_to_a_closed_pipe_trains_on(monkeypatch, tmp_path):
    import toy_envs

    step = toy_envs.Point.step

    def chatty(self, action):
        print("step", flush=True)
        return step(self, action)

    reader, writer = os.pipe()
    os.close(reader)
    with monkeypatch.context() as patch, os.fdopen(writer, "w") as closed:
        patch.setattr(toy_envs.Point, "step", chatty)
        patch.setattr(sys, "stdout", closed)
        train = ["train", "--env=Toy/Point-v0", f"--out={tmp_path / 'run'}", *TINY]
        assert exit_status([*train, f"--total-steps={TOY_RUN['total_steps']}"]) == 0
