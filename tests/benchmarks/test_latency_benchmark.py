"""The benchmark of latencies: what it measures and what the README shows of it."""

import json

import pytest
from benchmarks.tables import LATENCY, latency_table, section

from benchmarks import latency

METRICS = ("p50_us", "p99_us", "p999_us", "max_us")


def test_latency_benchmark_times_every_way_in_python(tmp_path):
    path = tmp_path / "latency.json"
    latency.main(["--json", str(path), "--quick", "--tasks", "HalfCheetah-v5"])
    results = json.loads(path.read_text())
    found = {(row["case"], row["metric"]): row["median"] for row in results["rows"]}
    ways = [case for case, _ in latency.IN_PYTHON.values()]
    assert found.keys() == {(f"17x6/{way}", metric) for way in ways for metric in METRICS}
    for way in ways:
        values = [found[f"17x6/{way}", metric] for metric in METRICS]
        assert values == sorted(values) and values[0] > 1
    assert "| torch-eager | " in latency_table(results)


def test_latency_benchmark_takes_the_runtimes_that_a_program_has(tmp_path):
    program = tmp_path / "bundle_check"
    found = '{"backends": [{"p50_us": 1, "p99_us": 2, "p999_us": 3, "max_us": 4, '
    program.write_text(
        "#!/bin/sh\n"
        'case "$*" in *libtorch*|*avx2*) exit 2;; esac\n'
        f'echo \'{found}"allocations_per_call": 0}}]}}\' > "$7"\n'
    )
    program.chmod(0o755)
    latency.make_bundle("HalfCheetah-v5", tmp_path / "bundle")
    rows = list(latency.one_round(tmp_path / "bundle", program, 100))
    in_cpp = {case for _, case, _, _ in rows} - {case for case, _ in latency.IN_PYTHON.values()}
    assert in_cpp == {"native-f32", "native-bf16", "onnxruntime-cpp"}
    assert ("td7", "native-f32", "allocations_per_call", 0) in rows
    program.write_text("#!/bin/sh\nexit 1\n")  # a bundle that is refused is no missing runtime
    with pytest.raises(Exception, match="exit status 1"):
        list(latency.one_round(tmp_path / "bundle", program, 100))


@pytest.mark.skipif(not LATENCY.is_file(), reason="no results of latencies are kept")
def test_readme_shows_the_kept_results_of_latencies():
    assert section("latency") == latency_table(json.loads(LATENCY.read_text()))
