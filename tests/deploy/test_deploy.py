"""What acts is what ships: policies, bundles and their checks."""

import json
import re
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
import torch

import td7
from td7.deploy import export as export_module
from td7.deploy.export import export
from td7.deploy.verify import largest_difference, verify
from td7.files.manifest import write_manifest
from td7.policy.module import policy_module
from td7.run.folder import policy_folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Train two seeds briefly in an environment with asymmetric bounds; return the run folder."""
    from conftest import SMALL

    folder = tmp_path_factory.mktemp("deploy") / "run"
    settings = td7.RunConfig(out=folder, progress="none", tensorboard=False)
    config = td7.TD7Config(**SMALL)
    td7.train("Toy/Point-v0", seeds=[0, 1], total_steps=300, config=config, run=settings)
    return folder


@pytest.fixture
def bundle(run, tmp_path):
    export(run, tmp_path / "bundle", seed=1)
    return tmp_path / "bundle"


def test_a_manifest_with_other_ends_of_lines_is_not_as_it_was_written(bundle):
    path = bundle / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    text = r"manifest\.json is not as it was written .* its lines end in CRLF, .* git may have"
    with pytest.raises(ValueError, match=text):
        verify(bundle)


def test_policy_takes_one_observation_or_a_batch_and_stays_within_the_bounds(run):
    policy = td7.load_policy(policy_folder(run, 0))
    obs = np.random.default_rng(0).standard_normal((20, 3)) * 100
    actions = policy(obs)
    assert (actions.shape, actions.dtype) == ((20, 2), np.float32)
    for row, action in zip(obs, actions, strict=True):
        np.testing.assert_allclose(policy(row), action, atol=1e-6)
    low, high = np.array([-1.0, 0.0]), np.array([3.0, 0.5])
    assert (actions >= low).all() and (actions <= high).all()
    assert policy.metadata["policy"] == "checkpoint"
    assert (policy.obs_size, policy.action_size) == (3, 2)


@pytest.mark.parametrize(
    ("obs", "message"),
    [
        (np.zeros(4), "obs must be [3] or [B, 3], got [4]"),
        (np.zeros((2, 2, 3)), "obs must be [3] or [B, 3], got [2, 2, 3]"),
        (np.array([0.0, np.nan, 0.0]), "obs must be finite"),
    ],
)
def test_policy_refuses_a_bad_observation(run, obs, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        td7.load_policy(policy_folder(run, 0))(obs)


def test_bounds_are_reached_exactly_in_each_dimension():
    policy = policy_module(_weights(low=[-1.0, 0.0], high=[3.0, 0.5]))
    corners = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0]])
    wanted = torch.tensor([[-1.0, 0.0], [3.0, 0.5], [1.0, 0.25]])
    assert torch.equal(policy.to_env(corners), wanted)


def test_a_policy_file_that_is_torn_or_foreign_is_refused_by_name(run, tmp_path):
    with pytest.raises(ValueError, match=r"policy\.json is missing"):
        td7.load_policy(tmp_path)
    policy = td7.load_policy(policy_folder(run, 0))
    policy.save(tmp_path)
    whole = (tmp_path / "policy.safetensors").read_bytes()
    (tmp_path / "policy.safetensors").write_bytes(whole[:-10])
    with pytest.raises(ValueError, match="holds no readable policy"):
        td7.load_policy(tmp_path)
    (tmp_path / "policy.safetensors").write_bytes(whole)
    (tmp_path / "policy.json").write_text('{"schema": "other"}')
    with pytest.raises(ValueError, match=r"policy.json: schema must be td7.policy/1, got 'other'"):
        td7.load_policy(tmp_path)


def test_rounded_weights_that_drive_like_another_policy_are_not_offered(run, tmp_path, monkeypatch):
    measured = export_module._measured
    monkeypatch.setattr(
        export_module, "_measured", lambda *args: measured(*args) | {"action_error": 1.01}
    )
    export(run, tmp_path / "bundle", seed=1, formats=["cpp"])
    assert json.loads((tmp_path / "bundle" / "manifest.json").read_text())["variants"] == {}
    assert "native-bf16" not in {result.file for result in verify(tmp_path / "bundle")}


def test_bounds_far_from_zero_leave_actions_a_rounding():
    policy = policy_module(_weights(low=[299.0, -1e4 - 1], high=[301.0, 1 - 1e4]))
    actions = np.array([[300, -1e4]], np.float32)
    for entry in (0, 1):
        others = actions.copy()
        others[0, entry] = np.nextafter(actions[0, entry], np.float32(0))
        assert 0.9e-5 < largest_difference(others, actions, policy) <= 1e-5
        others[0, entry] = np.nextafter(others[0, entry], np.float32(0))
        assert largest_difference(others, actions, policy) > 1e-5


def test_bundle_agrees_with_eager_torch_in_every_format(bundle):
    results = verify(bundle)
    graphs, endings = ("policy", "encoder_zs", "encoder_zsa"), (".onnx", "_batch1.onnx", ".pt")
    assert {result.file for result in results} == {
        *("vectors.safetensors", "torch", "native", "native-bf16"),
        *(f"{graph}{ending}" for graph in graphs for ending in endings),
    }
    assert all(result.vectors == 64 + 7 for result in results)
    assert all(result.difference < 1e-5 for result in results if result.exact)
    assert [result.file for result in results if not result.exact] == ["native-bf16"]
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["actions"]["low"] == [-1.0, 0.0]
    assert (manifest["seed"], manifest["policy"]) == (1, "checkpoint")


def test_onnx_policy_is_one_file_that_runs_any_batch_without_torch_or_td7(bundle, run, tmp_path):
    obs = np.random.default_rng(1).standard_normal((5, 3)).astype(np.float32)
    np.save(tmp_path / "obs.npy", obs)
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "p.onnx").write_bytes((bundle / "policy.onnx").read_bytes())
    code = (
        "import sys, numpy as np, onnxruntime as ort\n"
        "s = ort.InferenceSession('alone/p.onnx', providers=['CPUExecutionProvider'])\n"
        "obs = np.load('obs.npy')\n"
        "one = np.concatenate([s.run(['actions'], {'obs': o[None]})[0] for o in obs])\n"
        "np.save('out.npy', np.stack([s.run(['actions'], {'obs': obs})[0], one]))\n"
        "assert 'torch' not in sys.modules and 'td7' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    wanted = td7.load_policy(policy_folder(run, 1))(obs)
    for actions in np.load(tmp_path / "out.npy"):
        np.testing.assert_allclose(actions, wanted, atol=1e-5)


def test_bundle_drives_the_environment_to_the_same_return_as_the_policy(bundle, run):
    policy = td7.load_policy(policy_folder(run, 1))
    script = torch.jit.load(str(bundle / "policy.pt"))
    returns = []

    def act_by_script(obs):
        return script(torch.tensor(obs, dtype=torch.float32)[None])[0].numpy()

    for act in (policy, act_by_script):
        env = gymnasium.make("Toy/Point-v0")
        obs, _ = env.reset(seed=3)
        total, over = 0.0, False
        while not over:
            obs, reward, terminated, truncated, _ = env.step(act(obs))
            total, over = total + reward, terminated or truncated
        returns.append(total)
    assert returns[0] == pytest.approx(returns[1], rel=1e-4)


@pytest.mark.parametrize(
    "name",
    "policy.onnx policy.pt encoder_zsa.onnx policy.safetensors vectors.safetensors".split(),
)
def test_verify_names_the_file_with_one_flipped_byte(bundle, name):
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} is not as it was written"):
        verify(bundle)


def test_verify_refuses_a_missing_or_an_extra_file_and_another_schema(bundle):
    (bundle / "extra.pt").write_text("hello")
    with pytest.raises(ValueError, match=r"extra.pt: the folder and its manifest differ"):
        verify(bundle)
    (bundle / "extra.pt").rename(bundle.parent / "extra.pt")
    (bundle / "policy.pt").rename(bundle.parent / "policy.pt")
    with pytest.raises(ValueError, match=r"policy.pt: the folder and its manifest differ"):
        verify(bundle)
    (bundle.parent / "policy.pt").rename(bundle / "policy.pt")
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps(manifest | {"schema": "td7.bundle/9"}))
    with pytest.raises(ValueError, match=r"schema must be td7\.bundle/1, got 'td7\.bundle/9'"):
        verify(bundle)


def test_a_manifest_that_was_edited_by_hand_is_refused(bundle):
    path = bundle / "manifest.json"
    written = path.read_text()
    path.write_text(written.replace('"env_steps": ', '"env_steps": 9'))
    with pytest.raises(ValueError, match=r"manifest.json is not as it was written"):
        verify(bundle)
    path.write_text(written.replace('"manifest_sha256": "', '"manifest_sha256": "0'))
    with pytest.raises(ValueError, match=r"manifest.json is not as it was written"):
        verify(bundle)
    path.write_text(written)
    verify(bundle)


def test_verify_finds_a_graph_that_computes_something_else(bundle, run):
    # checksums renewed: only the comparison with eager torch can notice
    other = bundle.parent / "other"
    export(run, other, seed=0)
    for name in ("policy.onnx", "manifest.json"):
        assert (bundle / name).exists()
    (bundle / "policy.onnx").write_bytes((other / "policy.onnx").read_bytes())
    manifest = json.loads((bundle / "manifest.json").read_text())
    schema, *_ = (manifest.pop(name) for name in ("schema", "sha256", "manifest_sha256"))
    write_manifest(bundle, schema, **manifest)
    with pytest.raises(ValueError, match=r"policy.onnx: actions differs from eager torch by"):
        verify(bundle)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"seed": None}, ValueError, "seed must be one of the run's [0, 1], got None"),
        ({"seed": 7}, ValueError, "seed must be one of the run's [0, 1], got 7"),
        (
            {"formats": ["tflite"]},
            ValueError,
            "format must be of onnx, torchscript, torch-export, cpp, got tflite",
        ),
        ({"which": "best"}, ValueError, "which must be checkpoint or current, got 'best'"),
        (
            {"formats": []},
            ValueError,
            "format must be of onnx, torchscript, torch-export, cpp, got nothing",
        ),
    ],
)
def test_export_refuses_a_bad_argument_and_leaves_nothing(run, tmp_path, arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        export(run, tmp_path / "bundle", **{"seed": 0, **arguments})
    assert not list(tmp_path.iterdir())


def test_export_never_replaces_a_folder(bundle, run):
    with pytest.raises(FileExistsError, match="exists: choose another folder"):
        export(run, bundle, seed=1)


def test_one_format_alone_can_be_exported(run, tmp_path):
    export(run, tmp_path / "bundle", seed=0, formats=["torchscript"])
    assert not list((tmp_path / "bundle").glob("*.onnx"))
    assert len(list((tmp_path / "bundle").glob("*.pt"))) == 3


def _weights(low, high):
    from td7.policy.module import SalePolicy

    weights = SalePolicy(3, 2, 8, 16, 16).state_dict()
    weights = {name: torch.zeros_like(value) for name, value in weights.items()}
    return weights | {"low": torch.tensor(low), "high": torch.tensor(high)}
