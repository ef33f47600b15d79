"""The update of TD3 reproduces its author's trace (float64, tests/data/td3_online.npz) to 1e-10."""

import numpy as np
import pytest
import torch
from test_golden import DATA, batch_of

from td7.config import TD3Config
from td7.updates.learner import Learner

TRACE = np.load(DATA / "td3_online.npz")
TWINS = {"q1": ("l1", "l4"), "q2": ("l2", "l5"), "q3": ("l3", "l6")}
NETWORKS = "actor actor_target critic critic_target"


def golden_tensor(when, network, name):
    """Return one network's tensor in our layout: twin critics are stacked, weights transposed."""
    layer, kind = name.split(".")
    if network.startswith("critic"):
        value = np.stack([TRACE[f"{when}/{network}/{twin}.{kind}"] for twin in TWINS[layer]])
    else:
        value = TRACE[f"{when}/{network}/{name}"]
    return value.swapaxes(-1, -2).copy() if kind == "weight" else value


def make_learner(members, execution):
    s, a, _, _, hidden, period = map(int, TRACE["meta"])
    discount, tau, noise, clip = map(float, TRACE["hyper"])
    config = TD3Config(
        discount=discount,
        tau=tau,
        target_policy_noise=noise,
        target_noise_clip=clip,
        critic_hidden=hidden,
        actor_hidden=hidden,
        policy_period=period,
        execution=execution,
    )
    return Learner(s, a, range(members), config, dtype=torch.float64)


@pytest.mark.parametrize("execution", ["eager", "compiled"])
@pytest.mark.parametrize(("members", "member"), [(1, 0), (3, 0), (3, 1), (3, 2)])
def test_update_reproduces_every_array_of_the_trace(members, member, execution):
    learner = make_learner(members, execution)
    for network in NETWORKS.split():
        for name, value in learner.network(network).state_dict().items():
            value[member] = torch.from_numpy(golden_tensor("init", network, name))
    for step in range(TRACE["meta"][3]):
        learner.update(*batch_of(TRACE, step, members, member))
        for network in NETWORKS.split():
            for name, value in learner.network(network).state_dict().items():
                np.testing.assert_allclose(
                    value[member],
                    golden_tensor(f"after{step + 1}", network, name),
                    rtol=0,
                    atol=1e-10,
                    err_msg=f"{network}.{name} after update {step + 1}",
                )


def test_defaults_are_the_authors():
    config = TD3Config()
    hyper = config.discount, config.tau, config.target_policy_noise, config.target_noise_clip
    assert hyper == tuple(TRACE["hyper"]) and config.policy_period == TRACE["meta"][5]
    assert config.lap_alpha == 0 and not config.use_checkpoints
