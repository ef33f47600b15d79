"""A run folder and a bundle of an earlier version load, continue and verify."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file

import td7
from td7.config import RunConfig
from td7.deploy.verify import verify
from td7.machine import instruction_sets, processor, versions
from td7.training.evaluate import evaluate_run

EARLIER = Path(__file__).parents[1] / "data" / "earlier_run"


def rows_of(path):
    """Return the rows of metrics without the time."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "time/wall_s"} for row in rows]


def same_arithmetic():
    """Whether this machine computes as the one that made the run."""
    made = json.loads((EARLIER / "run" / "machine.json").read_text())
    here = versions("torch", "numpy", "gymnasium", "mujoco")
    return (
        made["machine"]["processor"] == processor()
        and made["machine"]["instruction_sets"] == instruction_sets()
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and all(made["versions"][name] == version for name, version in here.items())
    )


@pytest.fixture(scope="module")
def continued(tmp_path_factory):
    """The earlier run, resumed to 900 steps."""
    folder = tmp_path_factory.mktemp("earlier") / "run"
    shutil.copytree(EARLIER / "run", folder)
    td7.resume(folder, total_steps=900, run=RunConfig(progress="none", tensorboard=False))
    return folder


def test_a_run_of_an_earlier_version_continues(continued):
    before, after = rows_of(EARLIER / "run" / "metrics.jsonl"), rows_of(continued / "metrics.jsonl")
    kept = [row for row in before if row["env_steps"] < 400]
    assert kept and [row for row in after if row["env_steps"] < 400] == kept
    assert {row["seed"] for row in after if row["env_steps"] == 900} == {0, 3}
    assert all(row["updates"] > 400 for row in after if row["env_steps"] == 900)


def test_a_run_of_an_earlier_version_continues_to_the_bit(continued):
    if not same_arithmetic():
        pytest.skip("the stored weights are of another processor or other versions")
    assert rows_of(continued / "metrics.jsonl") == rows_of(EARLIER / "continued_metrics.jsonl")
    wanted = load_file(EARLIER / "continued_learner.safetensors")
    found = load_file(continued / "state" / "learner.safetensors")
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name].tobytes() == value.tobytes(), name


def test_policies_of_an_earlier_version_evaluate():
    scores = evaluate_run(EARLIER / "run", episodes=2)
    assert [score.seed for score in scores] == [0, 3]


def test_a_bundle_of_an_earlier_version_verifies():
    assert {result.file for result in verify(EARLIER / "bundle")} >= {"native", "policy.onnx"}
