"""The benchmark of data sets, the kept offline runs, and what the README shows of them."""

import json

import pytest
from benchmarks.tables import DATASET, dataset_table, section

from benchmarks import dataset, learning_curves


def test_every_format_is_loaded_and_minari_alone_is_timed(tmp_path):
    path = tmp_path / "dataset.json"
    dataset.main(["--json", str(path), "--quick", "--folder", str(tmp_path)])
    results = json.loads(path.read_text())
    found = {(row["name"], row["case"], row["metric"]): row["median"] for row in results["rows"]}
    for kind in ("minari", "hdf5", "npz"):
        case = f"HalfCheetah-v5/{kind}/20000"
        assert found["td7", case, "seconds"] > 0
        assert 96 < found["td7", case, "bytes_per_transition"] < 120
    assert found["minari", "HalfCheetah-v5/minari/20000", "seconds"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["dataset.json"]
    assert "| minari | " in dataset_table(results)


@pytest.mark.skipif(not DATASET.is_file(), reason="no results of data sets are kept")
def test_readme_shows_the_kept_results_of_data_sets():
    assert section("dataset") == dataset_table(json.loads(DATASET.read_text()))


@pytest.mark.skipif(not learning_curves.OFFLINE.is_dir(), reason="no offline runs are kept")
def test_readme_shows_the_kept_offline_runs():
    folders = learning_curves.kept(learning_curves.OFFLINE)
    assert section("offline") == learning_curves.offline_table(folders)
