"""The command line, from training to a verified bundle and a picture."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from td7.cli import main, parse_seeds
from td7.run.metrics import read_metrics

TINY = (
    "--warmup-steps 300 --eval-every 400 --eval-episodes 1 --batch-size 16 --embedding-size 8 "
    "--encoder-hidden 16 --critic-hidden 16 --actor-hidden 16 --buffer-capacity 5000"
).split()


def run_main(*arguments):
    with pytest.raises(SystemExit) as exit_info:
        main([str(argument) for argument in arguments])
    return exit_info.value.code


def test_seeds_are_written_as_one_a_list_or_a_range():
    assert parse_seeds("3") == [3]
    assert parse_seeds("0,5,2") == [0, 5, 2]
    assert parse_seeds("0:4") == [0, 1, 2, 3]


def test_the_whole_path_from_train_to_a_verified_bundle(tmp_path, capsys):
    run, bundle, picture = tmp_path / "run", tmp_path / "bundle", tmp_path / "curve.png"
    train = ("train", "--env", "Pendulum-v1", "--seeds", "0,1", "--out", run, *TINY)
    assert run_main(*train, "--total-steps", 800) == 0
    shown = capsys.readouterr().out
    assert re.search(r"seed 1  env_steps      800  updates      400  return +-\d", shown)
    assert list((run / "tensorboard" / "seed-1").glob("events.*"))

    assert run_main("eval", run, "--episodes", 2) == 0
    assert len(re.findall(r"seed \d \(checkpoint\): -\d+\.\d \+- ", capsys.readouterr().out)) == 2

    assert run_main("export", run, "-o", bundle, "--seed", 1, "--format", "onnx,torchscript") == 0
    assert run_main("verify", bundle) == 0
    assert "verified, largest difference" in capsys.readouterr().out

    assert run_main("plot", run, "-o", picture) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")

    assert run_main(*train, "--total-steps", 800) == 1
    assert "already holds a run" in capsys.readouterr().err
    assert run_main("train", "--resume", run, "--total-steps", 1200) == 0
    assert read_metrics(run)[-1]["env_steps"] == 1200


def test_doctor_names_versions_the_processor_and_the_gpu(capsys):
    assert run_main("doctor") == 0
    shown = capsys.readouterr().out
    for subject in ("td7", "torch", "mujoco", "onnxruntime", "td7._core", "cpu", "gpu"):
        assert re.search(rf"^{re.escape(subject)} ", shown, re.MULTILINE)


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_sigterm_ends_the_process_with_its_state_saved(tmp_path):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "td7.cli", "train", "--env", "Pendulum-v1", *TINY]
    process = subprocess.Popen([*command, "--out", str(run), "--total-steps", "1000000"])
    try:
        metrics, deadline = run / "metrics.jsonl", time.monotonic() + 120
        while time.monotonic() < deadline:
            if metrics.exists() and '"round"' in metrics.read_text():
                break
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 130
    finally:
        process.kill()
    assert (run / "state" / "manifest.json").is_file()
