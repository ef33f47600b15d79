"""Export one seed's policy and encoders as a bundle: a folder that proves what it computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

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
from td7.deploy.formats import FORMATS, Graph
from td7.deploy.formats.onnx_opset import checked_opset
from td7.deploy.vectors import make_vectors
from td7.deploy.verify import largest_difference, verify
from td7.envs.signals import Signals, signals
from td7.files.manifest import write_manifest
from td7.files.path_names import NEW_NAME, checked_path
from td7.files.whole import sync, write_file
from td7.machine import versions
from td7.policy.acting import acts_in_cpp
from td7.policy.native import NativePolicy
from td7.policy.saved import FACTS, Policy
from td7.run.environment import env_of_run
from td7.run.folder import read_settings
from td7.run.policies import Which, policy_of_run
from td7.torch_settings import environment_settings

ONNX = ("onnx", "onnxscript", "onnxruntime")
PACKAGES = ("td7", "torch", "onnx", "onnxruntime", "gymnasium", "mujoco")


def export(
    run: str | Path,
    out: str | Path,
    *,
    seed: int | None = None,
    formats: Sequence[str] = ("onnx", "torchscript"),
    which: Which | None = None,
    untrained: bool = False,
    env: str | None = None,
    opset: int | None = None,
) -> float:
    """Export the policy of a run as a bundle folder, verified before it is moved into place.

    `formats` are exactly what is written beside weights and test vectors. `which` is `checkpoint`
    or `current`; by default it is the policy that the run evaluates. `opset` is the ONNX operator
    set, 17 to 23; by default torch's own. The run's environment is made to draw test vectors and
    to drive it; the run itself is only read. A policy that has made no update is refused unless
    `untrained`. `env` takes the place of the run's environment: one of the same sizes and bounds.

    Returns the largest difference from eager torch over all graphs and formats (actions in units of
    half their range). Raises ValueError for a folder that holds no run, a seed or policy that the
    run has not, an unknown format or opset, or a bundle that fails its own check, FileExistsError
    when `out` exists.
    """
    run, out = Path(run).absolute(), checked_path(out, "out", NEW_NAME).absolute()
    unknown = [item for item in formats if item not in FORMATS]
    if unknown or not formats:
        given = ", ".join(unknown) or "nothing"
        raise ValueError(f"format must be of {', '.join(FORMATS)}, got {given}")
    if checked_opset(opset) is not None and "onnx" not in formats:
        raise ValueError(f"opset is ONNX's: format must have onnx, got {', '.join(formats)}")
    if out.exists():
        raise FileExistsError(f"{out} exists: choose another folder for the bundle")
    if "onnx" in formats and (missing := sorted(set(ONNX) - versions(*ONNX).keys())):
        raise ValueError(f"exporting ONNX needs {', '.join(missing)}: pip install 'td7[export]'")
    policy = policy_of_run(run, seed, which)
    if "cpp" in formats and not acts_in_cpp(policy.module.parts):
        raise ValueError("format must not be cpp: the policy has no encoder, which its code needs")
    if policy.metadata.get("updates") == 0 and not untrained:
        raise ValueError(
            f"the policy of {run} has made 0 updates, so it has learned nothing: train it further, "
            "or export it with untrained (--untrained)"
        )
    policy.metadata["env"] = env_of_run(run, read_settings(run), env, policy.module)
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = TemporaryDirectory(prefix=f"{out.name}.", suffix=".partial", dir=out.parent)
    with aside as name:
        partial = Path(name) / out.name
        partial.mkdir()
        write_bundle(policy, partial, formats, opset)
        worst = max(result.difference for result in verify(partial) if result.exact)
        for path in (*partial.iterdir(), partial):
            sync(path)
        partial.rename(out)
    return worst


def write_bundle(
    policy: Policy, folder: Path, formats: Sequence[str], opset: int | None = None
) -> None:
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
    _write_graphs(policy, vectors, folder, formats, facts | _mjlab(known), opset)
    names = [path.name for path in folder.iterdir()]
    write_file(folder / README, readme(facts, names, len(vectors["obs"])).encode())
    write_manifest(folder, SCHEMA, **facts)


def _write_graphs(
    policy: Policy,
    vectors: Mapping[str, Tensor],
    folder: Path,
    formats: Sequence[str],
    facts: Mapping[str, Any],
    opset: int | None,
) -> None:
    for name, (module, inputs, output) in graphs(policy.module).items():
        graph = Graph(module, tuple(vectors[key] for key in inputs), inputs, output, facts, opset)
        for file in (file for chosen in formats for file in FORMATS[chosen]):
            if name == "policy" or not file.policy_only:
                file.write(graph, folder / f"{name}{file.ending}")


def _variants(
    policy: Policy, env: str, vectors: Mapping[str, Tensor]
) -> dict[str, dict[str, float]]:
    """Return what is told of rounded weights, unless they drive nothing like the policy."""
    if not acts_in_cpp(policy.module.parts):
        return {}
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
    """Return the metadata by which mjlab's controllers know an ONNX policy, as far as known."""
    names = {"joint_names": known.joint_names, "observation_names": known.obs_names}
    return {key: value for key, value in names.items() if value} | known.servos
