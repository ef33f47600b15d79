"""The benchmarks' code on a tiny case, and the README's tables against the kept results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.tables import REPLAY, replay_table, section

ROOT = Path(__file__).resolve().parents[2]
CASE = "halfcheetah/2000"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Results of td7 alone, from the command line: the benchmark sets the thread count."""
    path = tmp_path_factory.mktemp("benchmarks") / "replay.json"
    command = [sys.executable, "-m", "benchmarks.replay", "--json", str(path), "--quick"]
    subprocess.run([*command, "--peers", "", "--cases", CASE], cwd=ROOT, check=True)
    return json.loads(path.read_text())


def test_replay_benchmark_gives_each_metric_once(results: dict) -> None:
    found = [(row["name"], row["case"], row["metric"]) for row in results["rows"]]
    cycle = ("cycle_us", "sample_us", "update_us")
    expected = {("td7", f"{CASE}/{state}", each) for state in ("hot", "swept") for each in cycle}
    for metric in ("add_us", "bulk_add_us", "bytes_per_transition"):
        expected.add(("td7", f"{CASE}/hot", metric))
    assert set(found) == expected
    assert len(found) == len(expected)


def test_replay_benchmark_rows_are_plausible(results: dict) -> None:
    for row in results["rows"]:
        assert set(row) == {"name", "case", "metric", "median", "iqr", "n"}
        assert row["median"] > 0
        assert row["iqr"] >= 0
        assert row["n"] == (1 if row["metric"] == "bytes_per_transition" else 5)
    medians = {row["metric"]: row["median"] for row in results["rows"] if "/hot" in row["case"]}
    # an observation of 17 float32, an action of 6 and a reward at least
    assert medians["bytes_per_transition"] > 4 * (17 + 6 + 1)
    assert medians["cycle_us"] > medians["sample_us"] / 2
    assert medians["bulk_add_us"] < medians["add_us"]


def test_replay_benchmark_says_what_it_ran_on_and_left_out(results: dict) -> None:
    assert {"processor", "cores", "instruction_sets"} <= set(results["machine"])
    assert {"td7", "torch", "numpy"} <= set(results["versions"])
    assert results["command"].startswith("python -m benchmarks.replay --json")
    reasons = {entry["name"]: entry["reason"] for entry in results["left_out"]}
    names = ("tianshou", "cpprb", "torchrl", "stable-baselines3", "author")
    assert reasons == dict.fromkeys(names, "not among --peers")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--cases", "walker/1000"], "a case must be one of halfcheetah, humanoid/CAPACITY"),
        (["--cases", "humanoid/1500"], "multiple of 1000, got 'humanoid/1500'"),
        (["--peers", "reverb"], "--peers must be of tianshou,cpprb"),
    ],
)
def test_replay_benchmark_refuses_by_name(arguments: list[str], text: str, capsys) -> None:
    from benchmarks.replay import parse

    with pytest.raises(SystemExit):
        parse(["--json", "unused.json", *arguments])
    assert text in capsys.readouterr().err


def test_table_shows_a_sampler_without_priorities_as_such() -> None:
    case = "halfcheetah/1000000"
    rows = [
        {"name": "td7", "case": f"{case}/hot", "metric": "cycle_us", "median": 12.34},
        {"name": "td7", "case": f"{case}/hot", "metric": "bytes_per_transition", "median": 99.0},
        {"name": "other", "case": f"{case}/hot", "metric": "sample_us", "median": 1234.5},
        {"name": "small", "case": "halfcheetah/10000/hot", "metric": "cycle_us", "median": 1.0},
    ]
    machine = {"cores": 2, "processor": "P", "instruction_sets": ["avx2"]}
    results = {"rows": rows, "machine": machine, "versions": {"td7": "1"}, "command": "c"}
    lines = replay_table(results).splitlines()
    assert lines[2:4] == [
        "| td7 | 12.3 |  | 99.0 |  |  |  |",
        "| other | 1,234 (s) |  |  |  |  |  |",
    ]
    assert lines[-1].endswith("On 2 cores (P, avx2); td7 1: `c`")


@pytest.mark.skipif(not REPLAY.is_file(), reason="no replay results are kept")
def test_readme_shows_the_kept_replay_results() -> None:
    assert section("replay") == replay_table(json.loads(REPLAY.read_text()))
