"""Every backend of csrc/controller in a project of a user's own, built as a release.

LibTorch's headers are in the Python package of torch; onnxruntime's are in the folder
ONNXRUNTIME_INCLUDE_DIR, or where `make onnxruntime-headers` puts them, or its part is skipped.
"""

import json
import os
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from controller_bundle import LARGE, facts_of, policy_of, write_bundle, write_manifest
from test_controller import BIN, cmake, run

import td7

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
HEADERS = Path(
    os.environ.get("ONNXRUNTIME_INCLUDE_DIR") or CACHE / "td7" / "onnxruntime-headers"
).absolute()
HAVE_HEADERS = (HEADERS / "onnxruntime_cxx_api.h").exists() and find_spec("onnxruntime")
BACKENDS = ["onnxruntime", "libtorch"] if HAVE_HEADERS else ["libtorch"]
ONNXRUNTIME = pytest.mark.skipif(
    not HAVE_HEADERS,
    reason="no headers of onnxruntime: make onnxruntime-headers (150 MB, needs npm)",
)
EACH_BACKEND = pytest.mark.parametrize(
    "backend", [pytest.param("onnxruntime", marks=ONNXRUNTIME), "libtorch"]
)


def onnxruntime_options():
    import onnxruntime

    (library,) = (Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*")
    return {"ONNXRUNTIME_INCLUDE_DIR": HEADERS, "ONNXRUNTIME_LIBRARY": library}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The consumer project and bundle_check with every backend whose headers are there."""
    folder = tmp_path_factory.mktemp("project")
    # as in a virtual environment within the project
    (folder / "venv").symlink_to(Path(torch.__file__).parents[1])
    options = {
        "td7_DIR": td7.cmake_dir(),
        "BACKENDS": ";".join(BACKENDS),
        "BUNDLE_CHECK": "ON",
        "CMAKE_BUILD_TYPE": "Release",
        "CMAKE_PREFIX_PATH": folder / "venv" / "torch" / "share" / "cmake",
        **(onnxruntime_options() if HAVE_HEADERS else {}),
    }
    cmake(
        Path(__file__).parents[1] / "consumer", folder, *(f"-D{k}={v}" for k, v in options.items())
    )
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    pytest.importorskip("onnxscript")
    folder = tmp_path_factory.mktemp("bundles") / "bundle"
    return write_bundle(folder, policy_of(LARGE), graphs=True)


@EACH_BACKEND
def test_a_user_s_project_reproduces_the_vectors(project, bundle, backend):
    """The consumer replays them with each backend it was built with and fails beyond 1e-5."""
    names = [line.split()[0] for line in run([project / "consumer", bundle]).splitlines()]
    assert names == ["native", *BACKENDS]
    assert backend in names


@EACH_BACKEND
def test_an_installed_program_finds_its_libraries(project, bundle, tmp_path, backend):
    """Those that lie in the project's tree, too, and the link that onnxruntime's soname needs."""
    run([BIN / "cmake", "--install", project, "--prefix", tmp_path])
    check = [tmp_path / "bin" / "bundle_check", bundle, "--backend", backend, "--calls", "10"]
    away = project.rename(project.with_name("away"))  # nothing is taken from where it was built
    try:
        assert backend in run(check)
    finally:
        away.rename(project)


@EACH_BACKEND
def test_bundle_check_counts_the_allocations_of_a_library(project, bundle, tmp_path, backend):
    report = tmp_path / "report.json"
    check = [project / "bundle_check", bundle, "--backend", backend, "--calls", "5000"]
    run([*check, "--json", report])
    (result,) = json.loads(report.read_text())["backends"]
    assert result["status"] == "passed"
    assert 0 < result["error"] <= 1e-5
    assert result["allocations_per_call"] >= 1


def test_bundle_check_finds_no_allocation_in_the_native_loop(project, bundle, tmp_path):
    """Beside libraries whose allocations it counts."""
    report = tmp_path / "report.json"
    run([project / "bundle_check", bundle, "--calls", "5000", "--json", report])
    results = {result["name"]: result for result in json.loads(report.read_text())["backends"]}
    assert set(BACKENDS) <= set(results)
    assert 0 < results["native"]["error"] <= 1e-5
    assert 1e-5 < results["native-bf16"]["error"] <= results["native-bf16"]["allowed"]
    for name in ("native", "native-bf16"):
        assert results[name]["status"] == "passed"
        assert results[name]["allocations_per_call"] == 0


def with_graph(folder, change):
    """Write a bundle whose graphs `change` has made, from a model, to something else."""
    import onnx

    policy = policy_of(LARGE)
    bundle = write_bundle(folder, policy, graphs=True)
    model = onnx.load(bundle / "policy_batch1.onnx")
    (bundle / "policy_batch1.onnx").write_bytes(change(model) or model.SerializeToString())
    write_manifest(bundle, facts_of(policy))
    return bundle


@ONNXRUNTIME
@pytest.mark.parametrize("place", ["weights.bin", "../weights.bin", "/etc/hostname"])
def test_a_graph_that_reads_other_files_is_refused_before_they_are_read(project, tmp_path, place):
    def lead_out(model):
        weight = model.graph.initializer[0]
        weight.ClearField("raw_data")
        weight.data_location = 1  # EXTERNAL
        weight.external_data.add(key="location", value=place)

    bundle = with_graph(tmp_path / "bundle", lead_out)
    command = [project / "bundle_check", bundle, "--backend", "onnxruntime"]
    refused = r"policy_batch1.onnx is refused by onnxruntime: its weights lie in another file"
    with pytest.raises(AssertionError, match=refused):
        run(command)


@ONNXRUNTIME
def test_a_key_whose_length_is_written_longer_than_needed_is_found_too(project, tmp_path):
    bundle = with_graph(tmp_path / "bundle", lambda _: b"\x0a\x88\x80\x00location\x12\x01x")
    with pytest.raises(AssertionError, match="its weights lie in another file"):
        run([project / "bundle_check", bundle, "--backend", "onnxruntime"])


@ONNXRUNTIME
def test_a_graph_whose_facts_speak_of_a_location_runs(project, tmp_path):
    def describe(model):
        for key, value in {"obs": '{"names": ["location"]}', "joint_names": "location,hip"}.items():
            model.metadata_props.add(key=key, value=value)

    bundle = with_graph(tmp_path / "bundle", describe)
    run([project / "bundle_check", bundle, "--backend", "onnxruntime", "--calls", "10"])


@EACH_BACKEND
def test_a_graph_that_a_library_refuses_is_named(project, tmp_path, backend):
    file, library = {
        "onnxruntime": ("policy_batch1.onnx", "onnxruntime"),
        "libtorch": ("policy.pt", "LibTorch"),
    }[backend]
    policy = policy_of(LARGE)
    bundle = write_bundle(tmp_path / "bundle", policy)
    (bundle / file).write_text("no graph")
    write_manifest(bundle, facts_of(policy))
    with pytest.raises(AssertionError, match=rf"{file} is refused by {library}"):
        run([project / "bundle_check", bundle, "--backend", backend])
