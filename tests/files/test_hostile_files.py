"""Files that were made to harm are refused by name, before anything is made of what they claim."""

import json
import os
import re
import shutil

import pytest
import torch
from fuzz_readers import make_bundle, make_run
from hostile_safetensors import SAFETENSORS, entry, header
from safetensors.torch import save_file

import td7
from td7.deploy.export import export, write_bundle
from td7.deploy.verify import verify
from td7.files.manifest import read_manifest, write_manifest
from td7.files.tensors import read_tensors
from td7.files.whole import read_json
from td7.policy.module import policy_module
from td7.policy.saved import Policy, load_policy
from td7.replay import LapReplay
from td7.run.folder import make_run_folder, policy_folder, read_settings
from td7.run.metrics import read_metrics
from td7.study.plot import evaluation_curves
from td7.training.evaluate import evaluate_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with a state, in a folder."""
    return make_run(tmp_path_factory.mktemp("hostile") / "run")


def sign(folder, schema, **facts):
    (folder / "manifest.json").unlink()
    write_manifest(folder, schema, **facts)


@pytest.mark.parametrize("kind", SAFETENSORS)
def test_a_hostile_safetensors_file_is_no_policy(kind, run, tmp_path):
    Policy(run.policy_module(0, "current")).save(tmp_path)
    (tmp_path / "policy.safetensors").write_bytes(SAFETENSORS[kind])
    with pytest.raises(ValueError, match=r"policy\.safetensors does not parse"):
        load_policy(tmp_path)


def test_a_file_larger_than_what_is_asked_for_is_refused_unread(tmp_path):
    """Sparse files claim much and take nothing."""
    path = tmp_path / "large.safetensors"
    path.write_bytes(header({"a": entry([2**34], 0, 2**36)}))
    os.truncate(path, path.stat().st_size + 2**36)
    with pytest.raises(ValueError, match=r"large\.safetensors must be of at most"):
        read_tensors(path)


def test_a_deep_header_does_not_end_the_process(tmp_path):
    path = tmp_path / "deep.safetensors"
    path.write_bytes(header(b'{"a":' * 100_000))
    with pytest.raises(ValueError, match=r"deep\.safetensors does not parse"):
        read_tensors(path)


def weights(run):
    return dict(run.policy_module(0, "current").state_dict())


def test_sizes_are_checked_before_weights_are_made(run, monkeypatch):
    """One wide layer claims others of that width squared: a file of 4 MB would take terabytes."""
    wide = weights(run) | {
        "encoder.zs1.weight": torch.zeros(2**20, 3),
        "encoder.zs1.bias": torch.zeros(2**20),
    }
    empty, made = torch.empty, set()

    def noted(*arguments, **options):
        result = empty(*arguments, **options)
        made.add(result.device.type)
        return result

    monkeypatch.setattr(torch, "empty", noted)
    with pytest.raises(ValueError, match=r"encoder\.zs2\.weight must be \[1048576, 1048576\], got"):
        policy_module(wide)
    assert made == {"meta"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actor.l3.weight": None}, "not those of a policy: 'actor.l3.weight'"),
        ({"more": torch.zeros(1)}, "not those of a policy"),
        ({"encoder.zs1.weight": torch.zeros(3)}, "not those of a policy"),
        ({"encoder.zs1.weight": torch.zeros(0, 3)}, "a size is 0"),
        ({"encoder.zs1.weight": torch.zeros(3, 10**6)}, "actor.l0.weight must be [3, 1000000]"),
        ({"actor.l3.bias": torch.zeros(2, 1)}, "actor.l3.bias must be [2], got [2, 1]"),
        ({"actor.l3.bias": torch.zeros(2, dtype=torch.float64)}, "must be of finite float32"),
        ({"actor.l3.bias": torch.tensor([0, torch.nan])}, "must be of finite float32"),
        ({"high": torch.tensor([torch.inf, 1.0])}, "must be of finite float32"),
        ({"high": torch.tensor([-1.0, 0.5])}, "low must be less than high"),
        (
            {"low": torch.full((2,), -3e38), "high": torch.full((2,), 3e38)},
            "low must be less than high, by a finite number",
        ),
    ],
)
def test_weights_that_are_no_policy_are_refused_by_their_file(changes, message, run, tmp_path):
    Policy(run.policy_module(0, "current")).save(tmp_path)
    altered = {k: v for k, v in (weights(run) | changes).items() if v is not None}
    save_file(altered, tmp_path / "policy.safetensors")
    with pytest.raises(ValueError) as error:
        load_policy(tmp_path)
    assert message in str(error.value) and "policy.safetensors" in str(error.value)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"env": 5}, "env must be the name of an environment, got 5"),
        ({"seed": "1"}, "seed must be an integer from 0"),
        ({"policy": "best"}, "policy must be 'checkpoint' or 'current', got 'best'"),
        ({"checkpoint_score": "high"}, "checkpoint_score must be a number"),
        ({"updates": 1.5}, "updates must be an integer"),
    ],
)
def test_facts_of_a_policy_have_their_types(facts, message, run, tmp_path):
    policy = Policy(run.policy_module(0, "current"), facts)
    policy.save(tmp_path)
    with pytest.raises(ValueError, match=re.escape(f"policy.json: {message}")):
        load_policy(tmp_path)


def test_what_else_a_policy_tells_does_not_reach_the_manifest(run, tmp_path):
    """`known` would be taken for checksums, and `folder` be an argument twice."""
    told = {"env": "Toy/Point-v0", "known": {"policy.safetensors": "0"}, "folder": "x", "mine": 1}
    Policy(run.policy_module(0, "current"), told).save(tmp_path / "policy")
    policy = load_policy(tmp_path / "policy")
    assert policy.metadata == told
    (tmp_path / "bundle").mkdir()
    write_bundle(policy, tmp_path / "bundle", ["torchscript"])
    assert len(verify(tmp_path / "bundle")) == 9
    assert "mine" not in json.loads((tmp_path / "bundle" / "manifest.json").read_text())


def test_a_policy_that_tells_nothing_is_evaluated_but_not_exported(run, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    make_run_folder(folder, run.settings)
    Policy(run.policy_module(0, "current")).save(policy_folder(folder, 3))
    (score,) = evaluate_run(folder, seed=3, episodes=1)
    assert score.policy == "unnamed" and len(score.returns) == 1
    with pytest.raises(ValueError, match=r"policy\.json names no env"):
        export(folder, tmp_path / "bundle", seed=3)


@pytest.fixture
def bundle(run, tmp_path):
    """A bundle of weights and vectors, and what its manifest tells."""
    make_bundle(run, tmp_path / "bundle")
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text())
    for name in ("schema", "sha256", "manifest_sha256"):
        del manifest[name]
    return tmp_path / "bundle", manifest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"obs": None}, "obs must be an object, got None"),
        ({"obs": {"shape": [4]}}, "obs.shape must be [3], got [4]"),
        ({"obs": {"names": ["x"]}}, "obs.names must be a list of 3, got ['x']"),
        ({"obs": {"units": [1, 2, 3]}}, "obs.units[0] must be a short text, got 1"),
        ({"actions": {"low": [-1.0, 0.5]}}, "actions.low must be [-1.0, 0.0], got [-1.0, 0.5]"),
        ({"actions": {"more": 1}}, "actions.more is unknown"),
        ({"env": 7}, "env must be the name"),
        ({"dt": -1}, "dt must be a number from 1e-09"),
        ({"tolerance": 1.0}, "tolerance must be 1e-05, got 1.0"),
        ({"variants": {"other": {}}}, "a name in variants must be like native-bf16, got 'other'"),
        ({"variants": {"native-bf16": {}}}, "variants.native-bf16.action_error is missing"),
        (
            {
                "variants": {
                    "native-bf16": {
                        "action_error": 1.5,
                        "episode_return": 0,
                        "episode_return_float32": 0,
                    }
                }
            },
            "variants.native-bf16.action_error must be a number from 0 to 1, got 1.5",
        ),
    ],
)
def test_a_bundles_manifest_that_contradicts_its_policy_is_refused(changes, message, bundle):
    folder, facts = bundle
    assert len(verify(folder)) == 5
    for name, change in changes.items():
        facts[name] = {**facts[name], **change} if isinstance(change, dict) else change
    sign(folder, "td7.bundle/1", **facts)
    with pytest.raises(ValueError, match=re.escape(f"manifest.json: {message}")):
        verify(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"zs": None}, "zs is missing"),
        ({"more": torch.zeros(1)}, "more is unknown"),
        ({"zs": torch.zeros(2, 2)}, "zs must be torch.float32 [5, 2], got torch.float32 [2, 2]"),
        ({"obs": torch.zeros(0, 3)}, "obs must be torch.float32 [1, 3], got torch.float32 [0, 3]"),
        ({"obs": torch.tensor(1.0)}, "obs must be torch.float32 [1, 3], got torch.float32 []"),
        (
            {"zsa": torch.zeros(5, 2).double()},
            "zsa must be torch.float32 [5, 2], got torch.float64",
        ),
        ({"obs": torch.full((5, 3), torch.nan)}, "obs must be finite"),
        ({"actions": torch.full((5, 2), 3e38)}, "actions differs from eager torch by"),
    ],
)
def test_test_vectors_of_another_kind_are_refused(changes, message, bundle):
    folder, facts = bundle
    vectors = read_tensors(folder / "vectors.safetensors") | changes
    kept = {k: v.contiguous() for k, v in vectors.items() if v is not None}
    save_file(kept, folder / "vectors.safetensors")
    sign(folder, "td7.bundle/1", **facts)
    with pytest.raises(ValueError, match=re.escape(f"vectors.safetensors: {message}")):
        verify(folder)


@pytest.mark.parametrize("name", ["policy.onnx", "encoder_zs.pt"])
@pytest.mark.parametrize("content", [b"", b"\x08\x07" * 50, b"PK\x03\x04 no archive"])
def test_a_graph_that_does_not_parse_is_refused_by_its_file(name, content, bundle):
    folder, facts = bundle
    (folder / name).write_bytes(content)
    sign(folder, "td7.bundle/1", **facts)
    with pytest.raises(ValueError, match=f"{name} cannot be run"):
        verify(folder)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_graph_that_gives_another_shape_is_refused(bundle):
    folder, facts = bundle

    class Constant(torch.nn.Module):
        def forward(self, obs):
            return torch.zeros(1)

    traced = torch.jit.trace(Constant(), torch.zeros(5, 3), check_trace=False)
    torch.jit.save(traced, str(folder / "policy.pt"))
    sign(folder, "td7.bundle/1", **facts)
    with pytest.raises(ValueError, match=r"policy.pt: actions must be float32 \[5, 2\], got"):
        verify(folder)


@pytest.mark.parametrize("name", ["evil.so", "../policy.onnx"])
def test_a_file_that_is_none_of_a_bundles_is_refused(name, bundle):
    folder, facts = bundle
    if "/" not in name:
        (folder / name).write_bytes(b"")
    sign(folder, "td7.bundle/1", **facts)
    if "/" in name:
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["sha256"][name] = "0"
        (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=re.escape(name)):
        verify(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": ["../../x"]}, "seeds[0] must be an integer from 0"),
        ({"seeds": []}, "seeds must be a list of 1 to"),
        ({"seeds": [1, 1]}, "seeds must be distinct"),
        ({"seeds": [True]}, "seeds[0] must be an integer"),
        ({"env": None}, "env must be the name of an environment, got None"),
        ({"device": "meta"}, "device must be cpu, cuda or cuda:N, got 'meta'"),
        ({"total_steps": 10**400}, "total_steps must be an integer from 1"),
        ({"torch_threads": 0}, "torch_threads must be an integer from 1"),
        ({"config": []}, "config must be an object"),
        ({"config": {"batch_size": 10**400}}, "config.batch_size must be"),
        ({"config": {"batch_size": "4"}}, "TD7Config.batch_size must be an int, got '4'"),
        ({"config": {"unknown": 4}}, "unexpected keyword argument 'unknown'"),
        ({"config": {"discount": [[1]]}}, "config.discount must be"),
        ({"more": 1}, "more is unknown"),
    ],
)
def test_settings_that_no_run_has_are_refused(changes, message, run, tmp_path):
    content = run.settings.to_json() | changes
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(ValueError) as error:
        read_settings(tmp_path)
    assert "config.json" in str(error.value) and message in str(error.value)


def test_a_number_beyond_all_floats_is_refused_by_the_configuration():
    with pytest.raises(ValueError, match=r"TD7Config\.discount must be at least 0\.0"):
        td7.TD7Config(discount=10**400)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"[1]", "metrics.jsonl:1 is no JSON object"),
        (b"[" * 100_000, "metrics.jsonl:1 is not JSON"),
        (b"9" * 5000, "metrics.jsonl:1 is not JSON"),
        (b"\xff", "metrics.jsonl:1 is not JSON"),
    ],
)
def test_metrics_that_are_no_objects_are_refused_by_line(line, message, tmp_path):
    (tmp_path / "metrics.jsonl").write_bytes(line + b'\n{"event": "round"}\n')
    with pytest.raises(ValueError, match=message):
        read_metrics(tmp_path)


@pytest.mark.parametrize("field", ["seed", "env_steps", "updates", "eval/mean_reward"])
def test_an_evaluation_without_its_numbers_is_no_curve(field, whole, tmp_path):
    shutil.copy(whole / "config.json", tmp_path)
    row = {"event": "evaluation", "seed": 1, "env_steps": 5, "updates": 5, "eval/mean_reward": 0.5}
    for altered in ({**row, field: "x"}, {k: v for k, v in row.items() if k != field}):
        (tmp_path / "metrics.jsonl").write_text(json.dumps(altered) + "\n")
        with pytest.raises(ValueError, match=f"metrics.jsonl: {field} must be"):
            evaluation_curves(tmp_path)


def test_no_reader_waits_for_a_pipe(run, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ValueError, match="pipe does not parse: it is no file"):
        read_json(pipe, "any")
    with pytest.raises(ValueError, match="pipe is no file"):
        read_tensors(pipe)
    with pytest.raises(ValueError, match="pipe is no file"):
        LapReplay(10, 2, 1).load(pipe)


def test_an_endless_file_is_not_read(tmp_path):
    for name in ("zero.json", "zero.safetensors"):
        (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(ValueError, match=r"zero\.json does not parse: it is no file"):
        read_json(tmp_path / "zero.json", "any")
    with pytest.raises(ValueError, match=r"zero\.safetensors is no file"):
        read_tensors(tmp_path / "zero.safetensors")


@pytest.mark.parametrize("depth", [400, 900, 980])
def test_what_is_nested_deeply_is_shown_in_a_line(depth, tmp_path):
    nested = "[" * depth + "]" * depth
    (tmp_path / "manifest.json").write_text(f'{{"schema": {nested}}}')
    with pytest.raises(ValueError, match=r"manifest\.json") as error:
        read_manifest(tmp_path, "test/1")
    assert len(str(error.value)) < 1000
    (tmp_path / "manifest.json").write_text(f'{{"schema": "test/1", "sha256": {nested}}}')
    with pytest.raises(ValueError, match=r"manifest\.json"):
        read_manifest(tmp_path, "test/1")


def test_a_manifest_names_no_file_outside_its_folder(tmp_path):
    (tmp_path / "manifest.json").write_text('{"schema": "t/1", "sha256": {"/etc/passwd": "0"}}')
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path}//etc/passwd: the folder and")):
        read_manifest(tmp_path, "t/1")
