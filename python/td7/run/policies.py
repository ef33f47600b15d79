"""Policies of a run: what its folder keeps, and the current one of its saved state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from td7.policy.module import policy_module
from td7.policy.saved import Policy
from td7.run.folder import RunSettings, policy_folder, read_settings
from td7.updates.learners import Learners

Which = Literal["checkpoint", "current"]


def policy_of_run(run: Path, seed: int | None, which: Which | None) -> Policy:
    """Return the policy of a run's seed, or of its only one; by default the one that it evaluates.

    Raises ValueError for a folder that holds no run, and a seed or a policy that the run has not.
    """
    settings = read_settings(run)
    seeds = settings.seeds
    if seed is None and len(seeds) == 1:
        seed = seeds[0]
    if seed not in seeds:
        raise ValueError(f"seed must be one of the run's {list(seeds)}, got {seed}")
    folder = policy_folder(run, seed)
    policy = saved_policy(run, seed)
    if "env" not in policy.metadata:
        raise ValueError(f"{folder / 'policy.json'} names no environment")
    if which not in (None, *get_args(Which)):
        raise ValueError(f"which must be {' or '.join(get_args(Which))}, got {which!r}")
    if which is None:
        return policy
    if which == "checkpoint":
        if policy.metadata.get("policy") != which:
            raise ValueError(f"which must be current: {folder} holds no checkpoint")
        return policy
    return _current_policy(run, settings, seeds.index(seed), policy)


def saved_policy(run: Path, seed: int) -> Policy:
    """Return the policy of a run's seed that is evaluated and exported, as it was saved last.

    Raises ValueError for a run that has saved none, and for a file that is not as it was saved.
    """
    from td7.run.saved_policies import read_saved_policy  # which reads a run's state itself

    return read_saved_policy(run, seed)


def moment_of(facts: Mapping[str, Any]) -> str:
    """Return in words when a policy was saved, and its score, from its metadata or a manifest."""
    known = {name: facts[name] for name in ("updates", "env_steps") if name in facts}
    words = [f"{name.replace('_', ' ')} {count:,}" for name, count in known.items()]
    if facts.get("checkpoint_score") is not None:
        words.append(f"checkpoint score {facts['checkpoint_score']:.1f}")
    elif facts.get("policy") == "checkpoint":
        words.append("no checkpoint score yet")
    return ", ".join(words) or "saved by hand"


def _current_policy(run: Path, settings: RunSettings, member: int, checkpoint: Policy) -> Policy:
    """Take sizes and bounds from `checkpoint`; ValueError for a run without a sound state."""
    from td7.run.saving import read_learner  # training deploys policies itself

    module = checkpoint.module
    learners = Learners(
        module.obs_size,
        module.action_size,
        settings.seeds,
        settings.config,
        device="cpu",
        group_size=len(settings.seeds),
        offline=settings.offline,
    )
    _, counters = read_learner(run, learners)
    weights = learners.policy_weights(member, "current")
    bounds = {"low": module.low, "high": module.high}
    simulations = counters["members"][member]["simulations"]
    metadata = checkpoint.metadata | {
        "policy": "current",
        "env_steps": sum(each["steps"] for each in simulations),
        "updates": counters["updates"][member],
        "checkpoint_score": None,
    }
    return Policy(policy_module(weights | bounds), metadata)
