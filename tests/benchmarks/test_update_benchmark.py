"""The update and training benchmarks on short runs; tables against the kept results."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch
from benchmarks.tables import TRAIN, UPDATE, section, train_table, update_table
from benchmarks.updates.subject import SIZES
from benchmarks.updates.td7_learner import Td7
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import train, update

CASE = "halfcheetah/P2/float32/cpu/eager"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict:
    path = tmp_path_factory.mktemp("update") / "update.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            update,
            "QUICK",
            update.Effort(rounds=2, round_s=0.02, capacity=2000, capacity_of_many=1000),
        )
        update.main(["--json", str(path), "--quick", "--members", "2", "--peers", ""])
    return json.loads(path.read_text())


def test_update_benchmark_gives_each_metric_once(results: dict) -> None:
    found = [(row["name"], row["case"], row["metric"]) for row in results["rows"]]
    metrics = ("updates_per_s", "member_updates_per_s", "peak_share", "uneven_debt_waste")
    expected = {("td7", CASE, metric) for metric in metrics}
    expected.add(("raw", "torch-mm/float32/cpu", "gflop_per_s"))
    assert set(found) == expected
    assert len(found) == len(expected)
    assert results["command"].startswith("python -m benchmarks.update --json")
    assert results["machine"]["torch_threads"] == torch.get_num_threads()


def test_update_benchmark_rows_are_plausible(results: dict) -> None:
    found = {row["metric"]: row["median"] for row in results["rows"]}
    assert found["member_updates_per_s"] == pytest.approx(2 * found["updates_per_s"], rel=0.2)
    assert 0.05 < found["peak_share"] < 1.2
    assert found["gflop_per_s"] > 1
    assert -0.9 < found["uneven_debt_waste"] < 2


@pytest.mark.parametrize("name", SIZES)
def test_the_operations_of_an_update_are_those_that_torch_counts(name: str) -> None:
    subject = Td7(SIZES[name], 1, 1000, device="cpu", execution="eager")
    subject.run(2)
    with FlopCounterMode(display=False) as counter:
        subject.run(4)
    # torch counts matrix products; the last layer of the critics is no product of matrices here
    assert counter.get_total_flops() / 4 == pytest.approx(SIZES[name].flop, rel=0.002)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--sizes", "walker"], "--sizes must be of halfcheetah,humanoid, got walker"),
        (["--members", "0"], "--members must be of 1,2,..., got 0"),
        (["--executions", "fast"], "--executions must be of eager,compiled,graph, got fast"),
        (["--author-code", "nowhere"], "--author-code has no TD7.py: nowhere"),
    ],
)
def test_update_benchmark_refuses_by_name(arguments: list[str], text: str, capsys) -> None:
    with pytest.raises(SystemExit):
        update.parse(["--json", "unused.json", *arguments])
    assert text in capsys.readouterr().err


def test_a_part_within_another_counts_alone() -> None:
    stopwatch = train.Stopwatch()

    def sleep(seconds: float) -> None:
        time.sleep(seconds)

    inner = stopwatch.timed("inner", lambda: sleep(0.05))
    outer = stopwatch.timed("outer", lambda: (sleep(0.02), inner(), sleep(0.02)))
    outer()
    assert stopwatch.seconds["inner"] == pytest.approx(0.05, rel=0.5)
    assert stopwatch.seconds["outer"] == pytest.approx(0.04, rel=0.5)


def test_training_benchmark_accounts_for_the_time(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "COMPILE_STEPS", 0)
        patch.setattr(train, "LONGEST_EPISODE", 0)
        train.main(["--json", str(path), "--quick", "--tasks", "Hopper-v5", "--steps", "60"])
    rows = json.loads(path.read_text())["rows"]
    found = {row["metric"]: row["median"] for row in rows}
    assert {row["case"] for row in rows} == {"Hopper-v5/P1/cpu"}
    shares = [found[f"share_{part}"] for part in ("collect", "replay", "update", "evaluate")]
    assert all(share >= 0 for share in shares)
    assert 0.5 < sum(shares) <= 1.01
    assert found["env_steps_per_s"] > 0


@pytest.mark.skipif(not UPDATE.is_file(), reason="no update results are kept")
def test_readme_shows_the_kept_results_of_updates_and_of_the_loop() -> None:
    assert section("update") == update_table(json.loads(UPDATE.read_text()))
    assert section("train") == train_table(json.loads(TRAIN.read_text()))
