"""The benchmark of saves: what it measures and what the README shows of it."""

import json

import pytest
from benchmarks.tables import SAVE, save_table, section

from benchmarks import save

METRICS = ("seconds", "megabytes", "share_of_disk")


def test_save_benchmark_measures_first_and_next_saves_and_loads(tmp_path):
    path = tmp_path / "save.json"
    save.main(
        ["--json", str(path), "--quick", "--tasks", "HalfCheetah-v5", "--folder", str(tmp_path)]
    )
    results = json.loads(path.read_text())
    found = {(row["case"], row["metric"]): row["median"] for row in results["rows"]}
    cases = [f"halfcheetah/{case}" for case in ("first", "next", "load")]
    assert found.keys() == {(case, metric) for case in cases for metric in METRICS}
    assert all(value > 0 for value in found.values())
    first, following, load = (found[case, "megabytes"] for case in cases)
    assert following < first == pytest.approx(load, rel=0.01)  # they differ in bookkeeping
    assert save_table(results).splitlines()[2].startswith("| halfcheetah | ")
    assert [path.name for path in tmp_path.iterdir()] == ["save.json"]


@pytest.mark.skipif(not SAVE.is_file(), reason="no results of saves are kept")
def test_readme_shows_the_kept_results_of_saves():
    assert section("save") == save_table(json.loads(SAVE.read_text()))
