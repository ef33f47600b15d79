"""Bundles written by hand, to the letter of their definition: what csrc/controller reads."""

import hashlib
import json
import warnings

import torch
from safetensors.torch import save_file

from td7.policy.module import SalePolicy

LARGE = (17, 6, 256, 256, 256)
SMALL = (3, 2, 8, 16, 16)


def policy_of(sizes, seed=0):
    """A policy with random weights and bounds that are not symmetric."""
    random = torch.Generator().manual_seed(seed)
    policy = SalePolicy(*sizes)
    weights = {}
    for name, value in policy.state_dict().items():
        bound = 2 * value.shape[-1] ** -0.5
        weights[name] = (2 * torch.rand(value.shape, generator=random) - 1) * bound
    weights["low"] = -0.5 - torch.rand(sizes[1], generator=random)
    weights["high"] = 1 + torch.rand(sizes[1], generator=random)
    policy.load_state_dict(weights)
    return policy


def vectors_of(policy, count=64):
    """Observations, a few of them extreme, and what eager torch makes of them."""
    random = torch.Generator().manual_seed(1)
    obs = torch.randn(count, policy.obs_size, generator=random)
    obs[0], obs[1] = 0.0, obs[1] * 1e4
    with torch.inference_mode():
        zs = policy.encoder.zs(obs)
        normalised = policy.normalised(obs)
        zsa = policy.encoder.zsa(zs, normalised)
        actions = policy.to_env(normalised)
    return {"obs": obs, "actions": actions.clone(), "zs": zs.clone(), "zsa": zsa.clone()}


def write_bundle(folder, policy, graphs=False):
    """Write a whole bundle; `graphs` adds ONNX and TorchScript."""
    folder.mkdir()
    vectors = vectors_of(policy)
    save_file(dict(policy.state_dict()), folder / "policy.safetensors")
    save_file(vectors, folder / "vectors.safetensors")
    (folder / "README.md").write_text("A policy.\n")
    if graphs:
        write_graphs(folder, policy, vectors["obs"])
    write_manifest(folder, facts_of(policy))
    return folder


def facts_of(policy):
    """What the manifest of a bundle says beside its sums."""
    return {
        "schema": "td7.bundle/1",
        "env": "Toy/Point-v0",
        "obs": {"name": "obs", "shape": [policy.obs_size], "dtype": "float32"},
        "actions": {
            "name": "actions",
            "shape": [policy.action_size],
            "dtype": "float32",
            "low": policy.low.tolist(),
            "high": policy.high.tolist(),
            "scale_applied": True,
        },
        "dt": 0.05,
        "tolerance": 1e-5,
        "variants": {"native-bf16": {"action_error": 0.05}},
    }


def write_manifest(folder, facts, more_sums=None):
    """Write manifest.json with the sums of all files of the folder and its own."""
    files = sorted(path for path in folder.iterdir() if path.name != "manifest.json")
    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    manifest = facts | {"sha256": sums | (more_sums or {}), "manifest_sha256": ""}
    text = json.dumps(manifest, indent=2)
    own = hashlib.sha256(text.encode()).hexdigest()
    empty = '"manifest_sha256": ""'
    assert text.count(empty) == 1
    (folder / "manifest.json").write_text(text.replace(empty, empty[:-1] + own + '"'))


def write_graphs(folder, policy, obs):
    """Write policy.onnx, policy_batch1.onnx and policy.pt."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, rows, shapes in [
            ("policy.onnx", obs, ({0: torch.export.Dim("batch")},)),
            ("policy_batch1.onnx", obs[:1], None),
        ]:
            torch.onnx.export(
                policy,
                (rows,),
                str(folder / name),
                input_names=["obs"],
                output_names=["actions"],
                dynamic_shapes=shapes,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        traced = torch.jit.freeze(torch.jit.trace(policy, (obs,)))
        torch.jit.save(traced, str(folder / "policy.pt"))
