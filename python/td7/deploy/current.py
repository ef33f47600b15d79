"""The policy as it is now, from a run's saved state; its folder keeps the checkpoint."""

from __future__ import annotations

from pathlib import Path

from td7.agent.learners import Learners
from td7.deploy.policy import Policy, policy_module
from td7.run_folder import RunSettings


def current_policy(run: Path, settings: RunSettings, member: int, checkpoint: Policy) -> Policy:
    """Return a member's current policy as its run saved it last; sizes and bounds as `checkpoint`.

    Raises ValueError for a run without a sound state.
    """
    from td7.training.saved_state import read_learner  # training deploys policies itself

    module = checkpoint.module
    learners = Learners(
        module.obs_size,
        module.action_size,
        settings.seeds,
        settings.config,
        device="cpu",
        group_size=len(settings.seeds),
    )
    counters = read_learner(run, learners)
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
