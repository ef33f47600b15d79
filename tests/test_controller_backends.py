"""Every backend of csrc/controller in a project of a user's own: needs the libraries' headers.

onnxruntime's come from the folder in ONNXRUNTIME_INCLUDE_DIR, or from where
`make onnxruntime-headers` puts them; LibTorch's from the Python package of torch.
"""

import json
import os
from pathlib import Path

import pytest
import torch

import td7
from controller_bundle import LARGE, policy_of, write_bundle
from test_controller import cmake, run

pytestmark = pytest.mark.long

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
HEADERS = Path(
    os.environ.get("ONNXRUNTIME_INCLUDE_DIR") or CACHE / "td7" / "onnxruntime-headers"
).absolute()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The consumer project and bundle_check, built as a release with every backend."""
    onnxruntime = pytest.importorskip("onnxruntime")
    if not (HEADERS / "onnxruntime_cxx_api.h").exists():
        pytest.skip("no headers of onnxruntime: make onnxruntime-headers (150 MB, needs npm)")
    (library,) = (Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*")
    folder = tmp_path_factory.mktemp("project")
    options = {
        "td7_DIR": td7.cmake_dir(),
        "BACKENDS": "onnxruntime;libtorch",
        "BUNDLE_CHECK": "ON",
        "CMAKE_BUILD_TYPE": "Release",
        "ONNXRUNTIME_INCLUDE_DIR": HEADERS,
        "ONNXRUNTIME_LIBRARY": library,
        "CMAKE_PREFIX_PATH": torch.utils.cmake_prefix_path,
    }
    cmake(Path(__file__).parent / "consumer", folder, *(f"-D{k}={v}" for k, v in options.items()))
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    pytest.importorskip("onnxscript")
    folder = tmp_path_factory.mktemp("bundles") / "bundle"
    return write_bundle(folder, policy_of(LARGE), graphs=True)


def test_a_user_s_project_reproduces_the_vectors_with_every_backend(project, bundle):
    lines = run([project / "consumer", bundle]).splitlines()
    assert [line.split()[0] for line in lines] == ["native", "onnxruntime", "libtorch"]


def test_bundle_check_finds_no_allocation_in_the_native_loop_and_those_of_others(
    project, bundle, tmp_path
):
    run([project / "bundle_check", bundle, "--calls", "5000", "--json", tmp_path / "report.json"])
    report = json.loads((tmp_path / "report.json").read_text())
    results = {result["name"]: result for result in report["backends"]}
    assert {result["status"] for result in results.values()} == {"passed"}
    for name in ("native", "onnxruntime", "libtorch"):
        assert 0 < results[name]["error"] <= 1e-5
    assert 1e-5 < results["native-bf16"]["error"] <= results["native-bf16"]["allowed"]
    allocations = {name: result["allocations_per_call"] for name, result in results.items()}
    assert allocations["native"] == allocations["native-bf16"] == 0
    assert allocations["onnxruntime"] >= 1 and allocations["libtorch"] >= 1


@pytest.mark.parametrize(
    ("file", "backend", "library"),
    [
        ("policy_batch1.onnx", "onnxruntime", "onnxruntime"),
        ("policy.pt", "libtorch", "LibTorch"),
    ],
)
def test_a_graph_that_a_library_refuses_is_named(project, tmp_path, file, backend, library):
    from controller_bundle import facts_of, write_manifest

    policy = policy_of(LARGE)
    bundle = write_bundle(tmp_path / "bundle", policy)
    (bundle / file).write_text("no graph")
    write_manifest(bundle, facts_of(policy))
    with pytest.raises(AssertionError, match=rf"{file} is refused by {library}"):
        run([project / "bundle_check", bundle, "--backend", backend])
