"""The README of a bundle: what it is and how to run it, with its own numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from td7.deploy.closed_loop import WHOLE_EPISODE
from td7.deploy.formats import GRAPH_FILES

TEXT = """# A policy for {env}

A policy ({policy}, seed {seed}, {env_steps:,} environment steps, {updates:,} updates), exported
by td7 {version}. It maps an observation of {obs_size} numbers to {action_size} actions in the
environment's own units, within their bounds. Nothing is left to scale, and observations are taken
as they are.{period}

| file | what it is |
|---|---|
{files}

`manifest.json` says all of this to programs, with the SHA-256 of every file. `td7 verify` and the
C++ program `bundle_check` replay the {vectors} test vectors through their runtimes: float32 ones
are within {tolerance:g} of half an action's range.{rounded}
{python}{tables}"""

PYTHON = """
In Python, with onnxruntime alone:

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("policy.onnx")
obs = np.zeros((1, {obs_size}), np.float32)
(actions,) = session.run(["actions"], {{"obs": obs}})
```
"""

GRAPHS = {
    "policy": "obs [B, S] to actions [B, A]",
    "encoder_zs": "obs to the state's embedding zs",
    "encoder_zsa": "obs and actions to their embedding zsa",
}
FILES = {
    f"{graph}{file.ending}": f"{what}, {file.text}"
    for graph, what in GRAPHS.items()
    for file in GRAPH_FILES
} | {
    "policy.safetensors": "the weights, for td7's own C++ runtime",
    "vectors.safetensors": "observations of real rollouts and extreme ones, and all outputs",
}


def readme(facts: Mapping[str, Any], files: Sequence[str], vectors: int) -> str:
    """Return the README of a bundle with these facts, files and number of test vectors."""
    obs, actions = facts["obs"], facts["actions"]
    period = "" if facts["dt"] is None else f" It was trained\nto act every {facts['dt']:g} s."
    return TEXT.format(
        env=facts["env"],
        policy=facts.get("policy", "saved by hand"),
        seed=facts.get("seed", "unknown"),
        env_steps=facts.get("env_steps", 0),
        updates=facts.get("updates", 0),
        version=facts["versions"]["td7"],
        obs_size=obs["shape"][0],
        action_size=actions["shape"][0],
        period=period,
        files="\n".join(f"| `{name}` | {FILES[name]} |" for name in FILES if name in files),
        vectors=vectors,
        tolerance=facts["tolerance"],
        rounded=_rounded(facts["variants"]),
        python=PYTHON.format(obs_size=obs["shape"][0]) if "policy.onnx" in files else "",
        tables=_table("observation", obs) + _table("action", actions),
    )


def _rounded(variants: Mapping[str, Any]) -> str:
    """Say what rounding the weights does, where it was measured."""
    measured = variants.get("native-bf16")
    if measured is None:
        return ""
    before, after = measured["episode_return_float32"], measured["episode_return"]
    return (
        " With weights rounded to\nbfloat16 an action moves by at most "
        f"{measured['action_error']:.1e} of it on these vectors, and the return of one\n"
        f"episode's first {WHOLE_EPISODE} steps from {before:.1f} to {after:.1f}."
    )


def _table(what: str, signal: Mapping[str, Any]) -> str:
    """Return a table of a signal's entries, empty where nothing is known of them."""
    if not signal["names"] and "low" not in signal:
        return ""
    size = signal["shape"][0]
    columns: dict[str, Sequence[Any]] = {what: range(size)}
    columns |= {
        heading: signal[key]
        for heading, key in {"name": "names", "unit": "units", "from": "low", "to": "high"}.items()
        if signal.get(key)
    }
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    rows = zip(*columns.values(), strict=True)
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return "\n" + "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).replace("|", "\\|")
