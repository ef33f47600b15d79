"""csrc/controller: bundles are read with suspicion, and act in C++ as they did when written."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from controller_bundle import SMALL, facts_of, policy_of, write_bundle
from controller_bundle import write_manifest as rewrite
from safetensors.torch import load_file, save_file
from test_replay_cpp import COMPILER, OPTIONS, ROOT

import td7
from td7.deploy import export
from td7.deploy.verify import largest_difference
from td7.envs.native import spaces
from td7.extension import core
from td7.policy.native import NativePolicy
from td7.policy.saved import Policy

BIN = Path(sys.executable).parent
FILES = ["policy.safetensors", "vectors.safetensors"]


def cmake(source, build, *options, target=None):
    """Configure with the tools of this environment, where no CMake package can find Python."""
    tools = [f"-DCMAKE_MAKE_PROGRAM={BIN / 'ninja'}", "-DCMAKE_DISABLE_FIND_PACKAGE_Python=ON"]
    command = [BIN / "cmake", "-G", "Ninja", "-S", source, "-B", build, *tools, *options]
    run(command)
    run([BIN / "cmake", "--build", build, *(["--target", target] if target else [])])


def run(command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """bundle_check with the native backends, built under Address- and UBSan, without Python."""
    if COMPILER is None or not (BIN / "ninja").exists():
        pytest.skip("no C++ compiler, or no ninja beside Python")
    folder = tmp_path_factory.mktemp("controller")
    options = (
        "-DTD7_PYTHON=OFF -DTD7_CONTROLLER=ON -DTD7_WERROR=ON -DCMAKE_BUILD_TYPE=Debug".split()
    )
    # by hand, for TD7_SANITIZE would optimise: that takes three times as long to compile
    sanitizers = "-fsanitize=address,undefined -fno-sanitize-recover=all"
    cmake(ROOT, folder, *options, f"-DCMAKE_CXX_FLAGS={sanitizers}")
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("bundles") / "bundle", policy_of(SMALL))


@pytest.fixture
def bundle(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "bundle")


@pytest.fixture
def check(build):
    """Return a caller of bundle_check: arguments -> (exit status, what it printed)."""

    def call(*arguments):
        command = [build / "bundle_check", "--calls", "100", *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return result.returncode, result.stdout + result.stderr

    return call


def test_native_backends_reproduce_the_vectors_and_allocate_nothing(check, bundle, tmp_path):
    status, text = check(bundle, "--json", tmp_path / "report.json")
    assert status == 0, text
    assert "onnxruntime  NOT BUILT" in text and "libtorch     NOT BUILT" in text
    report = json.loads((tmp_path / "report.json").read_text())
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert report["schema"] == "td7.bundle_check/1"
    assert report["manifest_sha256"] == manifest["manifest_sha256"]
    assert [report[k] for k in ("obs_size", "action_size", "vectors", "calls")] == [3, 2, 64, 100]
    results = {result["name"]: result for result in report["backends"]}
    assert results["onnxruntime"] == {"name": "onnxruntime", "status": "not built"}
    assert 0 < results["native"]["error"] < 1e-5 < results["native-bf16"]["error"] < 0.05
    for name in ("native", "native-bf16"):
        times = [results[name][key] for key in ("p50_us", "p99_us", "p999_us", "max_us")]
        assert times == sorted(times) and times[0] > 0
        assert results[name]["allocations_per_call"] == 0


@pytest.mark.parametrize("name", core.instruction_sets())
def test_every_instruction_set_can_be_checked(check, bundle, name):
    status, text = check(bundle, "--instruction-set", name)
    assert status == 0 and f"native by {name}" in text


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_is_refused_by_the_file_s_name(check, bundle, name):
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    status, text = check(bundle)
    assert status == 1
    assert f"{bundle / name} is not as it was written (SHA-256 differs)" in text


@pytest.mark.parametrize(
    "task", ["HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Ant-v5", "Humanoid-v5"]
)
def test_what_is_exported_for_a_task_passes_in_cpp(check, task, tmp_path):
    observation_space, action_space = spaces(task)
    policy = policy_of((observation_space.shape[0], action_space.shape[0], 8, 16, 16))
    policy.low.copy_(torch.from_numpy(action_space.low))
    policy.high.copy_(torch.from_numpy(action_space.high))
    (tmp_path / "bundle").mkdir()
    export.write_bundle(Policy(policy, {"env": task}), tmp_path / "bundle", ["cpp"])
    code, said = check(tmp_path / "bundle")
    assert code == 0 and "native-bf16" in said, said


@pytest.mark.parametrize("which", ["checkpoint", "current"])
def test_the_policies_of_a_run_of_several_seeds_pass_in_cpp(check, which, small_config, quiet):
    run = quiet()
    td7.train("Toy/Point-v0", seeds=[3, 5], total_steps=300, config=small_config(), run=run)
    bundle = run.out.with_name("bundle")  # its bounds are not symmetric
    export.export(run.out, bundle, seed=5, which=which, formats=["torchscript"])
    code, said = check(bundle)
    assert code == 0, said


def test_every_flipped_byte_of_the_manifest_is_refused(check, bundle):
    path = bundle / "manifest.json"
    content = path.read_bytes()
    for at in [*range(0, len(content), len(content) // 40), len(content) - 1]:
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        status, text = check(bundle)
        assert status == 1, (at, text)
        assert "manifest.json" in text and "Sanitizer" not in text


def test_an_edited_manifest_is_refused_and_so_is_another_sum_from_outside(check, bundle):
    path = bundle / "manifest.json"
    own = json.loads(path.read_text())["manifest_sha256"]
    assert check(bundle, "--sha256", own)[0] == 0
    assert check(bundle, "--sha256", own.upper())[0] == 0
    status, text = check(bundle, "--sha256", "0" * 64)
    assert status == 1 and f"manifest.json has the sum {own}, not the one asked for" in text
    path.write_text(path.read_text().replace('"dt": 0.05', '"dt": 0.04'))
    status, text = check(bundle)
    assert status == 1 and "manifest.json is not as it was written" in text


def test_files_that_are_missing_extra_or_no_plain_files_are_refused(check, bundle):
    for name in ("extra.onnx", "b.PT", "w.safetensors", "a.h", "b.json", "x.pt2"):
        (bundle / name).write_text("hello")
        status, text = check(bundle)
        assert status == 1 and f"{name} is not in the manifest" in text
        (bundle / name).unlink()
    (bundle / ".DS_Store").symlink_to(bundle / "policy.safetensors")
    status, text = check(bundle)
    assert status == 1 and ".DS_Store is not in the manifest" in text
    (bundle / ".DS_Store").unlink()
    (bundle / "README.md").rename(bundle.parent / "README.md")
    (bundle / "README.md").symlink_to(bundle.parent / "README.md")
    status, text = check(bundle)
    assert status == 1 and "README.md must be a plain file" in text
    status, text = check(bundle / "nowhere")
    assert status == 1 and "nowhere is not a folder" in text
    (bundle / "manifest.json").unlink()
    assert "manifest.json is missing" in check(bundle)[1]


@pytest.mark.parametrize("name", [".DS_Store", "._policy.onnx", "Thumbs.db", "extra.txt", ".git/a"])
def test_an_extra_file_that_no_runtime_reads_is_a_warning(check, bundle, name, tmp_path):
    (bundle / name).parent.mkdir(exist_ok=True)
    (bundle / name).write_text("hello")
    status, text = check(bundle, "--json", tmp_path / "report.json")
    shown = f"{bundle / name.partition('/')[0]} is not in the manifest (no runtime reads it)"
    assert status == 0 and f"warning: {shown}\n" in text
    assert json.loads((tmp_path / "report.json").read_text())["warnings"] == [shown]


def test_a_readme_that_was_edited_converted_or_deleted_is_a_warning(check, bundle):
    path = bundle / "README.md"
    written = path.read_bytes()
    altered = f"warning: {path} is not as it was written (SHA-256 differs)"
    path.write_bytes(written + b"More.\n")
    assert check(bundle)[0] == 0 and f"{altered} (no runtime reads it)" in check(bundle)[1]
    path.write_bytes(written.replace(b"\n", b"\r\n"))
    status, text = check(bundle)
    assert status == 0 and f"{altered}: its lines end in CRLF, with LF it is; git may" in text
    path.unlink()
    status, text = check(bundle)
    assert status == 0 and f"warning: {path} is missing (no runtime reads it)" in text


def test_a_manifest_or_header_with_other_ends_of_lines_is_refused_with_the_cause(check, bundle):
    (bundle / "policy.h").write_text("// weights\n")
    rewrite(bundle, facts_of(policy_of(SMALL)))
    assert check(bundle)[0] == 0
    for name in ("policy.h", "manifest.json"):
        path = bundle / name
        written = path.read_bytes()
        path.write_bytes(written.replace(b"\n", b"\r\n"))
        status, text = check(bundle)
        assert status == 1 and f"{path} is not as it was written (SHA-256 differs): its l" in text
        assert f"with '{name} -text' stops that" in text
        path.write_bytes(written)


def test_a_bundle_of_nothing_that_could_be_checked_does_not_pass(check, bundle):
    (bundle / "policy.safetensors").unlink()
    rewrite(bundle, facts_of(policy_of(SMALL)))  # the manifest does not tell of it either
    status, text = check(bundle)
    assert status == 1 and "policy.safetensors is missing" in text


def test_what_a_bundle_says_does_not_act_on_the_terminal(check, bundle):
    evil = "\x1b]0;title\x07\x9b2J" + "é" * 200
    facts = facts_of(policy_of(SMALL))
    shown = r"\x1b]0;title\x07"
    for change in ({"schema": evil}, {"variants": {evil: 1}}, {"tolerance": evil}):
        rewrite(bundle, facts | change)
        status, text = check(bundle)
        assert status == 1 and shown in text and "é..." in text and "\x1b" not in text
        assert "\x9b" not in text and len(text) < 300
    rewrite(bundle, facts, more_sums={evil: "0" * 64})
    assert shown in check(bundle)[1]
    rewrite(bundle, facts)
    (bundle / "\x1b[2J").touch()
    assert r"\x1b[2J is not in the manifest" in check(bundle)[1]


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "..", "", "a\\b", "a\0b"])
def test_a_name_that_leads_out_of_the_folder_is_refused(check, bundle, name):
    (bundle.parent / "secret").write_text("secret")
    rewrite(bundle, facts_of(policy_of(SMALL)), more_sums={name: "0" * 64})
    status, text = check(bundle)
    assert status == 1 and "manifest.json names a file that no bundle holds" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "td7.bundle/9"}, "schema must be 'td7.bundle/1', got 'td7.bundle/9'"),
        ({"obs": {"shape": [3], "dtype": "float64"}}, "obs.dtype must be 'float32', got 'float64'"),
        ({"obs": {"shape": [2**40], "dtype": "float32"}}, "obs.shape must be [n] with n from 1"),
        ({"obs": {"shape": [3, 1], "dtype": "float32"}}, "obs.shape must be [n] with n from 1"),
        ({"actions": [1]}, "actions must be an object, got an array"),
        ({"dt": 0}, "dt must be null or seconds from 1e-9 to 1e9, got 0"),
        ({"dt": 1e-12}, "dt must be null or seconds from 1e-9 to 1e9, got 1e-12"),
        ({"dt": 1e300}, "dt must be null or seconds from 1e-9 to 1e9, got 1e+300"),
        ({"tolerance": 1}, "tolerance must be 1e-5, got 1"),
        ({"tolerance": 1e-6}, "tolerance must be 1e-5, got 1e-06"),
        ({"variants": None}, "variants must be an object, got null"),
        (
            {"variants": {"native-bf16": {"action_error": 1.5}}},
            "variants.native-bf16.action_error must be from 0 to 1, got 1.5",
        ),
        (
            {"variants": {"native-bf16": {"action_error": -1}}},
            "variants.native-bf16.action_error must be from 0 to 1, got -1",
        ),
        ({"tolerance": "none"}, "tolerance must be a number, got 'none'"),
    ],
)
def test_a_manifest_that_lacks_what_a_controller_needs_is_refused(check, bundle, change, message):
    rewrite(bundle, facts_of(policy_of(SMALL)) | change)
    status, text = check(bundle)
    assert status == 1 and f"manifest.json: {message}" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale_applied": False}, "actions.scale_applied must be true, got false"),
        ({"scale_applied": 1}, "actions.scale_applied must be true, got 1"),
        ({"low": [0, 0], "high": [1, 0]}, "must have actions.low below actions.high, by a finite"),
        ({"low": [0, -3e38], "high": [1, 3e38]}, "must have actions.low below actions.high, by a"),
    ],
)
def test_actions_of_other_units_or_without_a_range_are_refused(check, bundle, change, message):
    facts = facts_of(policy_of(SMALL))
    rewrite(bundle, facts | {"actions": facts["actions"] | change})
    status, text = check(bundle)
    assert status == 1 and message in text


def test_dt_may_be_null(check, bundle):
    rewrite(bundle, facts_of(policy_of(SMALL)) | {"dt": None})
    assert check(bundle)[0] == 0


def change_tensors(bundle, name, change):
    tensors = load_file(bundle / name)
    change(tensors)
    save_file(tensors, bundle / name)
    rewrite(bundle, facts_of(policy_of(SMALL)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("actor.l1.bias"), "policy.safetensors lacks the tensor actor.l1.bias"),
        (
            lambda t: t.update({"encoder.zs1.weight": torch.zeros(16, 4)}),
            "policy.safetensors must hold encoder.zs1.weight [16, 3], got [16, 4]",
        ),
        (
            lambda t: t["low"].sub_(1),
            "policy.safetensors has other bounds of actions than manifest",
        ),
        (lambda t: t["actor.l3.weight"].mul_(1.01), "actions differ from vectors.safetensors by"),
        (
            lambda t: t["actor.l3.bias"].mul_(torch.nan),
            "policy.safetensors must hold finite numbers in actor.l3.bias, got NaN or infinity",
        ),
        (lambda t: t.update(low=t["low"].half()), "low.dtype must be 'F32', got 'F16'"),
    ],
)
def test_weights_that_are_not_the_bundle_s_are_refused(check, bundle, change, message):
    change_tensors(bundle, "policy.safetensors", change)
    status, text = check(bundle, "--backend", "native")
    assert status == 1 and message in text


@pytest.mark.parametrize("half", [1e-3, 1.0, 1e3])
def test_actions_are_measured_in_half_their_range_as_python_measures_them(check, half, tmp_path):
    policy = policy_of(SMALL)
    policy.low.fill_(-half)
    policy.high.fill_(half)
    bundle, report = write_bundle(tmp_path / "bundle", policy), tmp_path / "report.json"
    vectors = load_file(bundle / "vectors.safetensors")
    made = NativePolicy(policy)(vectors["obs"].numpy())
    for error, status in ((0.9e-5, 0), (1.1e-5, 1)):
        vectors["actions"] = torch.from_numpy(made + np.float32(error * half))
        save_file(vectors, bundle / "vectors.safetensors")
        rewrite(bundle, facts_of(policy))
        assert check(bundle, "--backend", "native", "--json", report)[0] == status
        (result,) = json.loads(report.read_text())["backends"]
        measured = largest_difference(made, vectors["actions"].numpy(), policy)
        assert np.float32(result["error"]) == np.float32(measured)
        assert result["allowed"] == 1e-5


@pytest.mark.parametrize("centre", [300.0, -1e4])
def test_one_rounding_of_an_action_is_allowed_far_from_zero_and_two_are_not(
    check, centre, tmp_path
):
    policy = policy_of(SMALL)
    policy.low.fill_(centre - 1)
    policy.high.fill_(centre + 1)
    bundle, report = write_bundle(tmp_path / "bundle", policy), tmp_path / "report.json"
    vectors = load_file(bundle / "vectors.safetensors")
    made = NativePolicy(policy)(vectors["obs"].numpy())
    rounding = np.spacing(np.float32(abs(centre)))
    for roundings, status in ((1, 0), (2, 1)):
        vectors["actions"] = torch.from_numpy(made + np.float32(roundings) * rounding)
        save_file(vectors, bundle / "vectors.safetensors")
        rewrite(bundle, facts_of(policy))
        assert check(bundle, "--backend", "native", "--json", report)[0] == status
        (result,) = json.loads(report.read_text())["backends"]
        measured = largest_difference(made, vectors["actions"].numpy(), policy)
        assert np.float32(result["error"]) == np.float32(measured)


def test_vectors_of_another_shape_are_refused(check, bundle):
    change_tensors(bundle, "vectors.safetensors", lambda t: t.update(obs=torch.zeros(64, 4)))
    status, text = check(bundle)
    assert status == 1 and "vectors.safetensors must hold obs [64, 3], got [64, 4]" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "BUNDLE is missing"),
        (["a", "b"], "one bundle at a time, got also b"),
        (["a", "--calls", "0"], "--calls must be from 1 to 100000000, got 0"),
        (["a", "--backend", "tflite"], "--backend must be native, native-bf16, onnxruntime"),
        (["a", "--backend", "libtorch"], "libtorch is NOT BUILT into this program"),
        (["a", "--instruction-set", "mmx"], "--instruction-set must be one that this machine has"),
        (["a", "--sha256"], "--sha256 is unknown or lacks its value"),
        (["a", "--sha256", ""], "--sha256 must be 64 digits of 0-9 and a-f, got "),
        (["a", "--sha256", "0" * 63], "--sha256 must be 64 digits of 0-9 and a-f, got 000"),
        (["a", "--sha256", "g" * 64], "--sha256 must be 64 digits of 0-9 and a-f, got ggg"),
        (["a", "--fast", "1"], "--fast is unknown"),
    ],
)
def test_wrong_arguments_give_exit_status_2(check, arguments, message):
    status, text = check(*arguments)
    assert status == 2 and message in text and "usage: bundle_check" in text


def test_readers_stand_hostile_files_under_sanitizers(build, tmp_path):
    program, source = tmp_path / "readers", ROOT / "tests" / "cpp" / "test_controller_readers.cc"
    library = build / "libtd7_controller.a"
    run([COMPILER, *OPTIONS, f"-I{ROOT / 'csrc'}", source, library, "-o", program])
    run([program])


def consumer(folder, bundle, *options):
    """Build the consumer project and let it replay a bundle's vectors."""
    if COMPILER is None or not (BIN / "ninja").exists():
        pytest.skip("no C++ compiler, or no ninja beside Python")
    cmake(ROOT / "tests" / "consumer", folder, *options)
    return run([folder / "consumer", bundle])


def test_a_project_finds_the_package_that_cmake_installed(build, bundle, tmp_path):
    run([BIN / "cmake", "--install", build, "--prefix", tmp_path / "prefix"])
    assert (tmp_path / "prefix" / "bin" / "bundle_check").exists()
    options = [f"-DCMAKE_PREFIX_PATH={tmp_path / 'prefix'}"]
    assert consumer(tmp_path / "build", bundle, *options).startswith("native ")
