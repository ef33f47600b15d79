"""Export one seed's policy and encoders as a bundle: a folder that proves what it computes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from safetensors.torch import save
from torch import Tensor

from td7.deploy.backends import BFLOAT16
from td7.deploy.bundle import (
    README,
    SCHEMA,
    TOLERANCE,
    VECTORS,
    WEIGHTS,
    graphs,
    interface,
    public_name,
)
from td7.deploy.bundle_readme import readme
from td7.deploy.closed_loop import WHOLE_EPISODE, drive
from td7.deploy.cpp_source import write_cpp
from td7.deploy.graph_files import write_exported, write_onnx, write_torchscript
from td7.deploy.native import NativePolicy
from td7.deploy.policy import FACTS, Policy
from td7.deploy.run_policy import Which, policy_of_run
from td7.deploy.vectors import make_vectors
from td7.deploy.verify import largest_difference, verify
from td7.envs.signals import Signals, signals
from td7.files import sync, write_file
from td7.machine import versions
from td7.manifest import write_manifest
from td7.path_names import NEW_NAME, checked_path
from td7.torch_settings import environment_settings

Format = Literal["onnx", "torchscript", "torch-export", "cpp"]
ONNX = ("onnx", "onnxscript", "onnxruntime")
PACKAGES = ("td7", "torch", "onnx", "onnxruntime", "gymnasium", "mujoco")


def export(
    run: str | Path,
    out: str | Path,
    *,
    seed: int | None = None,
    formats: Sequence[Format] = ("onnx", "torchscript"),
    which: Which | None = None,
) -> float:
    """Export the policy of a run as a bundle folder, verified before it is moved into place.

    `which` is `checkpoint` or `current`; by default it is the policy that the run evaluates. The
    run's environment is made to draw test vectors and to drive it; the run itself is only read.

    Returns the largest difference from eager torch over all graphs and formats (actions in units of
    half their range). Raises ValueError for a folder that holds no run, a seed or policy that the
    run has not, an unknown format or a bundle that fails its own check, FileExistsError when `out`
    exists.
    """
    run, out = Path(run), checked_path(out, "out", NEW_NAME)
    unknown = [item for item in formats if item not in get_args(Format)]
    if unknown or not formats:
        given = ", ".join(unknown) or "nothing"
        raise ValueError(f"format must be of {', '.join(get_args(Format))}, got {given}")
    if out.exists():
        raise FileExistsError(f"{out} exists: choose another folder for the bundle")
    if "onnx" in formats and (missing := sorted(set(ONNX) - versions(*ONNX).keys())):
        raise ValueError(f"exporting ONNX needs {', '.join(missing)}: pip install 'td7[export]'")
    policy = policy_of_run(run, seed, which)
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        write_bundle(policy, partial, formats)
        worst = max(result.difference for result in verify(partial) if result.exact)
    except BaseException:
        shutil.rmtree(partial)
        raise
    for path in (*partial.iterdir(), partial):
        sync(path)
    partial.rename(out)
    return worst


def write_bundle(policy: Policy, folder: Path, formats: Sequence[Format]) -> None:
    """Write weights, graphs, test vectors, README and the manifest into an empty folder."""
    env = policy.metadata["env"]
    with environment_settings():
        known = signals(env)
    vectors = make_vectors(policy, env)
    facts = {
        **{name: policy.metadata[name] for name in FACTS if name in policy.metadata},
        "env": public_name(env),
        **interface(policy.module, known),
        "tolerance": TOLERANCE,
        "variants": _variants(policy, env, vectors),
        "versions": versions(*PACKAGES),
    }
    write_file(folder / WEIGHTS, save(dict(policy.module.state_dict())))
    write_file(folder / VECTORS, save(vectors))
    if "cpp" in formats:
        write_file(folder / "policy.h", write_cpp(policy.module).encode())
    _write_graphs(policy, vectors, folder, formats, facts | _mjlab(known))
    names = [path.name for path in folder.iterdir()]
    write_file(folder / README, readme(facts, names, len(vectors["obs"])).encode())
    write_manifest(folder, SCHEMA, **facts)


def _write_graphs(
    policy: Policy,
    vectors: Mapping[str, Tensor],
    folder: Path,
    formats: Sequence[Format],
    facts: Mapping[str, Any],
) -> None:
    for name, (graph, inputs, output) in graphs(policy.module).items():
        arguments = tuple(vectors[key] for key in inputs)
        if "onnx" in formats:
            where = folder / f"{name}.onnx"
            write_onnx(graph, arguments, inputs, output, where, any_batch=True, facts=facts)
            one, where = tuple(each[:1] for each in arguments), folder / f"{name}_batch1.onnx"
            write_onnx(graph, one, inputs, output, where, any_batch=False, facts=facts)
        if "torchscript" in formats:
            write_torchscript(graph, arguments, folder / f"{name}.pt")
        if "torch-export" in formats:
            write_exported(graph, arguments, folder / f"{name}.pt2")


def _variants(
    policy: Policy, env: str, vectors: Mapping[str, Tensor]
) -> dict[str, dict[str, float]]:
    """Return what is told of rounded weights, unless they drive nothing like the policy."""
    measured = _measured(policy, env, vectors)
    return {BFLOAT16: measured} if measured["action_error"] <= 1 else {}


def _measured(policy: Policy, env: str, vectors: Mapping[str, Tensor]) -> dict[str, float]:
    """Return what rounding the weights to bfloat16 does to actions and to an episode's return."""
    rounded = NativePolicy(policy.module, "bfloat16")
    made, wanted = rounded(vectors["obs"].numpy()), vectors["actions"].numpy()
    error = largest_difference(made, wanted, policy.module)
    returns = [
        drive(env, act, WHOLE_EPISODE).episode_return
        for act in (rounded, NativePolicy(policy.module))
    ]
    # a processor that sums in another order may add a rounding or two
    stated = float(np.ceil(1.05e4 * error) / 1e4) + TOLERANCE
    return dict(
        zip(
            ("action_error", "episode_return", "episode_return_float32"),
            (stated, *returns),
            strict=True,
        )
    )


def _mjlab(known: Signals) -> dict[str, Any]:
    """Return the metadata by which mjlab's controllers know an ONNX policy, where joints are."""
    if not known.joint_names:
        return {}
    found = {"joint_names": known.joint_names}  # no action_scale: the graph has scaled already
    return found | ({"observation_names": known.obs_names} if known.obs_names else {})
