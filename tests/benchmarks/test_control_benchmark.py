"""The benchmark of the control loop: what it takes from logs and what the README shows of it."""

import json

import pytest
from benchmarks.tables import CONTROL, control_table, section

from benchmarks import control

TIMES = '{"p50": 30, "p99": 80, "p999": 300, "max": 900, "buckets": [[30, 7]]}'
PROGRAM = f"""#!/bin/sh
case "$*" in *libtorch*) exit 2;; esac
case "$*" in *onnxruntime*--priority*) warnings='"no permission"';; esac
for log; do :; done  # the last argument
echo '{{"warnings": ['"$warnings"'], "periods": {{"missed_share": 0.002}},
 "lateness_us": {TIMES}, "policy_us": {TIMES}, "work_us": {TIMES}}}' > "$log"
"""


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "controller"
    path.write_text(PROGRAM)
    path.chmod(0o755)
    return path


def test_loops_take_turns_and_what_is_not_there_is_left_out(program, tmp_path, capsys):
    out = tmp_path / "control.json"
    control.main(["--json", str(out), "--bundle", "b", "--controller", str(program), "--quick"])
    results = json.loads(out.read_text())
    found = {(row["case"], row["metric"]): row["median"] for row in results["rows"]}
    loops = ["bare/normal", "native/normal", "onnxruntime/normal", "bare/priority"]
    assert list(dict.fromkeys(case for case, _ in found)) == [*loops, "native/priority"]
    assert found["native/normal", "missed_share"] == 0.002
    assert found["native/priority", "policy_p99_us"] == 80
    assert ("bare/normal", "policy_p99_us") not in found
    assert "no permission" in capsys.readouterr().err


def test_a_loop_that_fails_is_told(program):
    program.write_text("#!/bin/sh\necho 'the plant failed' >&2; exit 1\n")
    with pytest.raises(RuntimeError, match="the plant failed"):
        list(control.one_round([str(program)]))


@pytest.mark.skipif(not CONTROL.is_file(), reason="no results of the control loop are kept")
def test_readme_shows_the_kept_results_of_the_control_loop():
    assert section("control") == control_table(json.loads(CONTROL.read_text()))
