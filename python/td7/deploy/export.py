"""Export one seed's policy and encoders as a bundle: self-contained ONNX and TorchScript files."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from td7.deploy.bundle import SCHEMA, graphs, interface
from td7.deploy.policy import FACTS, Policy, load_policy
from td7.deploy.verify import verify
from td7.envs import make_simulations
from td7.machine import versions
from td7.manifest import write_manifest
from td7.run_folder import policy_folder, read_settings

Format = Literal["onnx", "torchscript"]
NUM_VECTORS = 64
ONNX = ("onnx", "onnxscript", "onnxruntime")


def export(
    run: str | Path,
    out: str | Path,
    *,
    seed: int | None = None,
    formats: Sequence[Format] = ("onnx", "torchscript"),
) -> float:
    """Export the policy of a run as a bundle folder, verified before it is moved into place.

    Returns the largest difference from eager torch over all graphs and formats (actions in units of
    half their range). Raises ValueError
    for a folder that holds no run, a seed that the run has not, an unknown format or a bundle that
    fails its own check, FileExistsError when `out` exists.
    """
    run, out = Path(run), Path(out)
    unknown = [item for item in formats if item not in get_args(Format)]
    if unknown or not formats:
        given = ", ".join(unknown) or "nothing"
        raise ValueError(f"format must be of {', '.join(get_args(Format))}, got {given}")
    if out.exists():
        raise FileExistsError(f"{out} exists: choose another folder for the bundle")
    if "onnx" in formats and (missing := sorted(set(ONNX) - versions(*ONNX).keys())):
        raise ValueError(f"exporting ONNX needs {', '.join(missing)}: pip install 'td7[export]'")
    folder = policy_folder(run, _chosen_seed(run, seed))
    policy = load_policy(folder)
    if "env" not in policy.metadata:
        raise ValueError(f"{folder / 'policy.json'} names no env to draw test vectors from")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        write_bundle(policy, partial, formats)
        worst = max(result.difference for result in verify(partial))
    except BaseException:
        shutil.rmtree(partial)
        raise
    partial.rename(out)
    return worst


def write_bundle(policy: Policy, folder: Path, formats: Sequence[Format]) -> None:
    """Write weights, graphs, test vectors and the manifest into an empty folder."""
    module = policy.module
    obs = rollout_observations(policy, NUM_VECTORS)
    vectors = {"obs": obs, "actions": module(obs)}
    for name, (graph, inputs, output) in graphs(module).items():
        arguments = tuple(vectors[key] for key in inputs)
        with torch.inference_mode():
            vectors[output] = graph(*arguments)
        if "onnx" in formats:
            write_onnx(graph, arguments, inputs, output, folder / f"{name}.onnx")
        if "torchscript" in formats:
            _write_torchscript(graph, arguments, folder / f"{name}.pt")
    save_file(dict(module.state_dict()), folder / "policy.safetensors")
    save_file(vectors, folder / "vectors.safetensors")
    write_manifest(folder, SCHEMA, **_facts(policy))


def rollout_observations(policy: Policy, count: int) -> Tensor:
    """Return [count, S] observations of the policy's own rollouts in its environment."""
    simulations = make_simulations(policy.metadata["env"], 1)
    observations: list[Any] = []
    one, over = np.zeros(1, np.int64), True
    try:
        for step in range(10 * count):
            if over:
                obs = simulations.reset(one, [step])
            observations.append(obs[0])
            obs, _, terminated, truncated = simulations.step(one, policy(obs))
            over = bool(terminated[0] or truncated[0])
    finally:
        simulations.close()
    chosen = np.asarray(observations[:: len(observations) // count][:count], np.float32)
    return torch.from_numpy(chosen)


def _chosen_seed(run: Path, seed: int | None) -> int:
    seeds = read_settings(run).seeds
    if seed is None and len(seeds) == 1:
        return seeds[0]
    if seed not in seeds:
        raise ValueError(f"seed must be one of the run's {list(seeds)}, got {seed}")
    return seed


def write_onnx(
    graph: nn.Module, arguments: tuple[Tensor, ...], inputs: Sequence[str], output: str, path: Path
) -> None:
    """Write one graph, example arguments given, as a self-contained ONNX file for any batch."""
    batch = torch.export.Dim("batch")
    # the exporter reports every operator library that is not installed
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            arguments,
            str(path),
            input_names=list(inputs),
            output_names=[output],
            dynamic_shapes=tuple({0: batch} for _ in inputs),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _write_torchscript(graph: nn.Module, arguments: tuple[Tensor, ...], path: Path) -> None:
    with warnings.catch_warnings():
        # TorchScript is deprecated in torch and kept here for LibTorch controllers
        warnings.simplefilter("ignore")
        traced = torch.jit.freeze(torch.jit.trace(graph, arguments))
        torch.jit.save(traced, str(path))


def _facts(policy: Policy) -> dict[str, Any]:
    packages = ("td7", "torch", "onnx", "onnxruntime", "gymnasium", "mujoco")
    return {
        # other metadata might have the name of a field that is not theirs
        **{name: policy.metadata[name] for name in FACTS if name in policy.metadata},
        **interface(policy.module),
        "versions": versions(*packages),
    }
