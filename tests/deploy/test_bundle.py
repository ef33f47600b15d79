"""What a bundle tells of itself, and the policies that go into it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import gymnasium
import jsonschema
import mujoco
import numpy as np
import onnx
import pytest
import torch

import td7
from td7.cli import main
from td7.deploy import bundle as bundle_module
from td7.deploy import closed_loop, trial
from td7.deploy.export import export
from td7.deploy.verify import read_bundle, verify
from td7.envs.signals import signals
from td7.files.manifest import write_manifest
from td7.policy import saved as policy_module
from td7.policy.module import SalePolicy
from td7.policy.native import NativePolicy
from td7.run import saving
from td7.run.folder import policy_folder

ARM = f"{Path(td7.__file__).parent / 'examples' / 'reach_arm.py'}:ReachArm"
SCHEMA = json.loads(Path(bundle_module.__file__).with_name("bundle.schema.json").read_text())


def trained(env, folder, **changes):
    """Train two seeds a little; return the run folder."""
    from conftest import SMALL

    config = td7.TD7Config(**{**SMALL, "eval_episodes": 1, **changes})
    settings = td7.RunConfig(out=folder, progress="none", tensorboard=False)
    td7.train(env, seeds=[0, 1], total_steps=400, config=config, run=settings)
    return folder


@pytest.fixture(scope="module")
def arm(tmp_path_factory):
    """A run of a task of one's own, and its bundle."""
    folder = tmp_path_factory.mktemp("arm")
    run = trained(ARM, folder / "run")
    export(run, folder / "bundle", seed=1)
    return run, folder / "bundle"


def manifest_of(folder):
    return json.loads((folder / "manifest.json").read_text())


def test_a_manifest_follows_its_schema(arm):
    manifest = manifest_of(arm[1])
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(manifest, SCHEMA)
    for changes in ({"dt": 0}, {"more": 1}, {"schema": "td7.bundle/2"}, {"obs": {}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(manifest | changes, SCHEMA)


def test_a_tasks_names_units_and_period_are_in_its_bundle_and_its_path_is_not(arm):
    manifest = manifest_of(arm[1])
    assert manifest["env"] == "reach_arm.py:ReachArm"
    assert manifest["obs"]["names"][0] == "turn_angle" and len(manifest["obs"]["names"]) == 12
    assert manifest["obs"]["units"][3] == "rad/s"
    assert manifest["actions"]["names"] == ["turn", "shoulder", "elbow"]
    assert manifest["actions"]["units"] == ["rad"] * 3
    assert manifest["dt"] == pytest.approx(0.02)
    text = (arm[1] / "README.md").read_text()
    assert "| 3 | turn_speed | rad/s |" in text and "every 0.02 s" in text


def test_onnx_files_carry_the_facts_and_the_names_by_which_mjlab_knows_joints(arm):
    manifest = manifest_of(arm[1])
    for name in ("policy.onnx", "policy_batch1.onnx"):
        model = onnx.load(arm[1] / name)
        found = {each.key: each.value for each in model.metadata_props}
        assert found["env"] == manifest["env"]
        assert json.loads(found["actions"]) == manifest["actions"]
        assert found["joint_names"] == "turn,shoulder,elbow"
        assert found["observation_names"].startswith("turn_angle,shoulder_angle,")
        for key, wanted in {
            "action_scale": [1, 1, 1],  # to scale once more changes nothing
            "default_joint_pos": [0, 0, 0],
            "joint_stiffness": [25, 25, 25],
            "joint_damping": [0, 0, 0],
        }.items():
            assert [float(each) for each in found[key].split(",")] == wanted, key
        batch = model.graph.input[0].type.tensor_type.shape.dim[0]
        assert batch.dim_value == (1 if "batch1" in name else 0)


def exported_by(arm, folder, *options):
    """Export the arm's run by the command line; return the names of the bundle's files."""
    with pytest.raises(SystemExit) as end:
        main(["export", str(arm[0]), "-o", str(folder), "--seed", "0", *options])
    return end.value.code, {path.name for path in folder.iterdir()} if folder.exists() else set()


ALWAYS = {"README.md", "manifest.json", "policy.safetensors", "vectors.safetensors"}
GRAPHS = ("policy", "encoder_zs", "encoder_zsa")
FILES_OF = {
    "onnx": {f"{graph}{ending}" for graph in GRAPHS for ending in (".onnx", "_batch1.onnx")},
    "torchscript": {f"{graph}.pt" for graph in GRAPHS},
    "torch-export": {f"{graph}.pt2" for graph in GRAPHS},
    "cpp": {"policy.h"},
}


@pytest.mark.parametrize("formats", ["cpp", "onnx", "torchscript, cpp", "cpp,torch-export"])
def test_the_formats_named_are_written_and_no_others(arm, tmp_path, formats):
    status, names = exported_by(arm, tmp_path / "bundle", "--format", formats)
    wanted = set().union(*(FILES_OF[each.strip()] for each in formats.split(",")))
    assert (status, names) == (0, ALWAYS | wanted)
    text = (tmp_path / "bundle" / "README.md").read_text()
    assert ("policy.onnx" in text) == ("onnx" in formats)
    assert "policy.h" not in text or "cpp" in formats


@pytest.mark.parametrize("opset", [17, 18, 23])
def test_an_onnx_operator_set_is_written_and_runs(arm, tmp_path, opset):
    options = ("--format", "onnx", "--opset", str(opset))
    assert exported_by(arm, tmp_path / "bundle", *options)[0] == 0
    for path in (tmp_path / "bundle").glob("*.onnx"):
        model = onnx.load(path)
        assert [each.version for each in model.opset_import] == [opset]
        assert model.ir_version == onnx.helper.find_min_ir_version_for(model.opset_import)
        onnx.checker.check_model(model, full_check=True)
        averaged = [node for node in model.graph.node if node.op_type == "ReduceMean"]
        assert averaged and all((len(node.input) == 1) == (opset < 18) for node in averaged)
    results = {result.file: result.difference for result in verify(tmp_path / "bundle")}
    assert {name for name in results if name.endswith(".onnx")} == FILES_OF["onnx"]


def test_without_an_operator_set_graphs_are_as_torch_writes_them(arm):
    (own,) = onnx.load(arm[1] / "policy.onnx").opset_import
    assert own.version >= 18


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--opset", "16"], "opset must be an integer from 17 to 23, got 16"),
        (["--opset", "24"], "opset must be an integer from 17 to 23, got 24"),
        (["--opset", "17", "--format", "cpp"], "opset is ONNX's: format must have onnx, got cpp"),
        (["--format", ""], "format must be of onnx, torchscript, torch-export, cpp, got "),
    ],
)
def test_an_operator_set_that_cannot_be_written_is_refused(arm, tmp_path, options, message, capsys):
    assert exported_by(arm, tmp_path / "bundle", *options) == (1, set())
    assert f"td7: error: {message}" in capsys.readouterr().err


def test_what_is_not_known_of_an_environment_is_left_out():
    assert signals("Toy/Point-v0") == type(signals("Toy/Point-v0"))()
    cheetah = signals("HalfCheetah-v5")
    assert (cheetah.dt, cheetah.obs_names) == (pytest.approx(0.05), [])
    assert (
        cheetah.action_names
        == cheetah.joint_names
        == "bthigh bshin bfoot fthigh fshin ffoot".split()
    )


def test_the_current_policy_is_that_of_the_saved_state(arm, tmp_path):
    run, checkpoint = arm
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    export(run, tmp_path / "current", seed=1, which="current", formats=["torchscript"])
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    current = read_bundle(tmp_path / "current")
    assert current.manifest["policy"] == "current"
    assert current.manifest["env_steps"] == 400
    from safetensors.torch import load_file

    state = load_file(run / "state" / "learner.safetensors")
    assert torch.equal(current.policy.actor.l0.weight, state["actor.l0.weight"][1].T)
    assert not torch.equal(
        current.policy.actor.l0.weight, read_bundle(checkpoint).policy.actor.l0.weight
    )
    with pytest.raises(ValueError, match="holds no saved state"):
        shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("state*"))
        export(tmp_path / "run", tmp_path / "none", seed=1, which="current")


def test_a_run_without_checkpoints_exports_the_current_policy_only(tmp_path):
    run = trained("Toy/Point-v0", tmp_path / "run", use_checkpoints=False)
    export(run, tmp_path / "bundle", seed=0, formats=["torchscript"])
    assert manifest_of(tmp_path / "bundle")["policy"] == "current"
    with pytest.raises(ValueError, match=r"which must be current: .* holds no checkpoint"):
        export(run, tmp_path / "other", seed=0, which="checkpoint")


def test_an_untrained_run_and_one_still_training_are_exported(tmp_path, monkeypatch):
    from td7.training import session

    exported, train = [], session.one_after_another

    def export_and_train(*arguments):
        if (tmp_path / "run" / "state").exists() and not exported:
            paths = tmp_path / "run", tmp_path / "bundle"
            exported.append(export(*paths, formats=["torchscript"], untrained=True))
        train(*arguments)

    monkeypatch.setattr(session, "one_after_another", export_and_train)
    from conftest import SMALL

    settings = td7.RunConfig(
        out=tmp_path / "run", progress="none", tensorboard=False, save_every_steps=20
    )
    td7.train("Toy/Point-v0", total_steps=120, config=td7.TD7Config(**SMALL), run=settings)
    manifest = manifest_of(tmp_path / "bundle")
    assert (manifest["env_steps"], manifest["updates"], manifest["checkpoint_score"]) == (
        20,  # as the first save has it
        0,
        None,
    )


def test_a_bf16_error_is_stated_and_held_to(arm, monkeypatch):
    _, folder = arm
    stated = manifest_of(folder)["variants"]["native-bf16"]["action_error"]
    (measured,) = (r.difference for r in verify(folder) if r.file == "native-bf16")
    assert 0 < measured <= stated <= 1.2 * measured + 2e-4
    normalised = NativePolicy.__call__
    monkeypatch.setattr(
        NativePolicy, "__call__", lambda self, obs: normalised(self, obs) + 2 * np.float32(stated)
    )
    with pytest.raises(ValueError, match=r"native: actions differs from eager torch by"):
        verify(folder)


def test_a_sum_told_from_outside_must_be_the_manifests(arm):
    _, folder = arm
    own = manifest_of(folder)["manifest_sha256"]
    assert verify(folder, own.upper())
    with pytest.raises(ValueError, match=f"manifest_sha256 must be {'0' * 64}, got {own}"):
        verify(folder, "0" * 64)


def test_verify_says_how_every_way_drives_and_how_long_it_takes(arm, capsys, monkeypatch):
    monkeypatch.setattr(trial, "CALLS", 20)
    with pytest.raises(SystemExit) as end:
        main(["verify", str(arm[1]), "--env", ARM])
    assert end.value.code == 0
    said = capsys.readouterr().out
    for way in ("torch", "native", "native-bf16", "policy.onnx", "policy.pt"):
        assert re.search(rf"^{way} .* p99 [0-9.]+ us  after 10 steps .* from torch$", said, re.M)


def test_a_way_that_drives_otherwise_is_found(arm, monkeypatch):
    opened = trial.open_policies

    def with_a_fault(folder, policy):
        ways = opened(folder, policy)
        right = ways["policy.pt"]
        # agrees on any test vector that has not this number in it
        ways["policy.pt"] = lambda obs: right(obs) * (0.5 if abs(obs[0, 0]) > 0.1 else 1)
        return ways

    monkeypatch.setattr(trial, "open_policies", with_a_fault)
    monkeypatch.setattr(trial, "CALLS", 20)
    with pytest.raises(ValueError, match=r"policy.pt: .* from torch, more than 0.001"):
        list(trial.report(read_bundle(arm[1]), ARM))


def test_an_environment_that_is_not_the_bundles_is_refused(arm):
    bundle = read_bundle(arm[1])
    with pytest.raises(
        ValueError, match=r"env must be of \(12, 3\) .* Toy/Point-v0 is of \(3, 2\)"
    ):
        list(trial.report(bundle, "Toy/Point-v0"))
    bundle.policy.high[0] += 1
    with pytest.raises(ValueError, match="env must have the policy's action bounds"):
        list(trial.report(bundle, ARM))


def test_no_file_tells_where_its_sources_lie(arm):
    homes = (str(Path(td7.__file__).parent), str(Path(torch.__file__).parent.parent))
    for path in arm[1].iterdir():
        content = path.read_bytes()
        assert not any(home.encode() in content for home in homes), path.name


@pytest.mark.parametrize("place", ["secret.bin", "../secret.bin", "/etc/hostname"])
def test_an_onnx_graph_that_reads_other_files_is_refused(arm, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.bin").write_bytes(bytes(2**20))
    folder = shutil.copytree(arm[1], tmp_path / "bundle")
    model = onnx.load(folder / "policy.onnx")
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=place)
    (folder / "policy.onnx").write_bytes(model.SerializeToString())
    manifest = manifest_of(folder)
    schema, *_ = (manifest.pop(name) for name in ("schema", "sha256", "manifest_sha256"))
    write_manifest(folder, schema, **manifest)
    with pytest.raises(ValueError, match=r"policy.onnx cannot be run: its weights lie in another"):
        verify(folder)


def test_a_symbolic_link_in_a_bundle_is_refused(arm, tmp_path):
    folder = shutil.copytree(arm[1], tmp_path / "bundle")
    (folder / "policy.safetensors").rename(tmp_path / "elsewhere")
    (folder / "policy.safetensors").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"policy.safetensors is a symbolic link"):
        verify(folder)


class Modelled(gymnasium.Env):
    """An environment whose `model` is of something else, without a `dt`."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    model = mujoco.MjModel.from_xml_string("<mujoco/>")


def test_a_model_that_is_not_of_the_actions_tells_nothing():
    gymnasium.register("Test/Modelled-v0", Modelled)
    assert signals("Test/Modelled-v0").dt is None
    assert signals("Test/Modelled-v0").action_names == []


def test_weights_and_facts_that_do_not_belong_together_are_never_read_together(arm, tmp_path):
    folder = shutil.copytree(policy_folder(arm[0], 0), tmp_path / "policy")
    other = policy_folder(arm[0], 1) / "policy.safetensors"
    shutil.copy(other, folder / "policy.safetensors")
    with pytest.raises(ValueError, match=r"is not the one that policy.json tells of"):
        td7.load_policy(folder)
    reads = []
    read = policy_module.read_policy

    def replaced_meanwhile(path):
        module = read(path)
        if not reads:  # the run goes on: both files are new after the first look
            shutil.copytree(policy_folder(arm[0], 1), folder, dirs_exist_ok=True)
        reads.append(path)
        return module

    shutil.copytree(policy_folder(arm[0], 0), folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(policy_module, "read_policy", replaced_meanwhile)
        policy = td7.load_policy(folder)
    assert len(reads) == 2 and policy.metadata["seed"] == 1
    assert torch.equal(policy.module.actor.l0.weight, read(other).actor.l0.weight)


def test_a_state_that_is_replaced_while_it_is_read_is_read_again(arm, tmp_path, monkeypatch):
    run = shutil.copytree(arm[0], tmp_path / "run")
    options = td7.RunConfig(progress="none", tensorboard=False)
    td7.resume(run, total_steps=500, run=options)
    newer = shutil.copytree(run, tmp_path / "newer")
    shutil.rmtree(run / "state")
    (run / "state.old").rename(run / "state")
    loads, load = [], saving._load_learners

    def replaced_meanwhile(state, learners, saved):
        if not loads:
            (run / "state").rename(run / "state.old")
            shutil.copytree(newer / "state", run / "state")
        loads.append(saved["updates"])
        load(state, learners, saved)

    monkeypatch.setattr(saving, "_load_learners", replaced_meanwhile)
    export(run, tmp_path / "bundle", seed=1, which="current", formats=["torchscript"])
    assert manifest_of(tmp_path / "bundle")["env_steps"] == 500 and len(loads) >= 2


def test_a_closed_loop_ends_with_its_episode():
    module = SalePolicy(3, 2, 8, 16, 16)
    for number, weight in enumerate(module.state_dict().values()):
        weight.copy_(torch.linspace(-1, 1, weight.numel()).reshape(weight.shape) / (1 + number))
    module.low.copy_(torch.tensor([-1.0, 0.0]))
    module.high.copy_(torch.tensor([3.0, 0.5]))
    act = NativePolicy(module)
    assert closed_loop.drive("Toy/Point-v0", act, 1000).steps == 50
    assert closed_loop.drive("Toy/Point-v0", act, 7).steps == 7
    ways = {"one": act, "other": lambda obs: act(obs) * 0}
    shares = closed_loop.disagreement("Toy/Point-v0", ways, "one")
    assert shares["one"] == 0 and shares["other"] > 0


CONSUMER = """
import json
import sys

import numpy as np
import onnxruntime

bundle = sys.argv[1]
manifest = json.load(open(f"{bundle}/manifest.json"))
session = onnxruntime.InferenceSession(f"{bundle}/policy_batch1.onnx")
low, high = (np.array(manifest["actions"][key], np.float32) for key in ("low", "high"))
angles, speed = np.zeros((1, *manifest["obs"]["shape"]), np.float32), 0.0
for step in range(100):  # a loop of its own: what was commanded comes back as what is seen
    (actions,) = session.run(["actions"], {"obs": angles})
    assert actions.shape == (1, *manifest["actions"]["shape"])
    assert (low <= actions).all() and (actions <= high).all() and np.isfinite(actions).all()
    angles[:, : actions.shape[1]] += manifest["dt"] * (actions - angles[:, : actions.shape[1]])
assert not {"torch", "td7", "mujoco"} & sys.modules.keys()
print("drove", step + 1, "steps")
"""


def test_a_program_of_numpy_and_onnxruntime_alone_runs_a_bundle_in_closed_loop(arm, tmp_path):
    program = tmp_path / "consumer.py"
    program.write_text(CONSUMER)
    done = subprocess.run(
        [sys.executable, str(program), str(arm[1])], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout == "drove 100 steps\n", done.stderr


def test_a_bundle_of_torch_export_is_written_and_never_opened(tmp_path, monkeypatch):
    run = trained("Toy/Point-v0", tmp_path / "run")
    export(run, tmp_path / "bundle", seed=0, formats=["torch-export"])
    program = torch.export.load(tmp_path / "bundle" / "policy.pt2").module()
    vectors = read_bundle(tmp_path / "bundle").vectors
    torch.testing.assert_close(program(vectors["obs"]), vectors["actions"], atol=1e-5, rtol=0)
    monkeypatch.setattr(torch, "load", lambda *a, **k: pytest.fail("something was unpickled"))
    assert verify(tmp_path / "bundle")
    assert policy_folder(run, 0).is_dir()
