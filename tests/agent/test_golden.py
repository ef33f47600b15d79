"""The update reproduces the reference traces (float64, tests/data/*.npz) to 1e-10."""

from pathlib import Path

import numpy as np
import pytest
import torch

from td7.agent.algorithm import Batch
from td7.config import TD7Config
from td7.updates.learner import Learner

DATA = Path(__file__).parents[1] / "data"
TWINS = {"q0": ("q01", "q02"), "q1": ("q1", "q4"), "q2": ("q2", "q5"), "q3": ("q3", "q6")}
NETWORKS = "encoder fixed_encoder fixed_encoder_target actor actor_target critic critic_target"


def golden_tensor(trace, when, network, name):
    """Return one network's tensor in our layout: twin critics are stacked, weights transposed."""
    layer, kind = name.split(".")
    if network.startswith("critic"):
        value = np.stack([trace[f"{when}/{network}/{twin}.{kind}"] for twin in TWINS[layer]])
    else:
        value = trace[f"{when}/{network}/{name}"]
    return value.swapaxes(-1, -2).copy() if kind == "weight" else value


def make_learner(trace, members, execution="eager"):
    s, a, _, _, z, encoder, critic, actor, period, policy_period, offline = trace["meta"]
    config = TD7Config(
        embedding_size=int(z),
        encoder_hidden=int(encoder),
        critic_hidden=int(critic),
        actor_hidden=int(actor),
        target_update_period=int(period),
        policy_period=int(policy_period),
        execution=execution,
    )
    seeds = range(members)
    return Learner(int(s), int(a), seeds, config, offline=bool(offline), dtype=torch.float64)


def load_golden_member(learner, trace, member):
    for network in NETWORKS.split():
        for name, value in getattr(learner.nets, network).state_dict().items():
            value[member] = torch.from_numpy(golden_tensor(trace, "init", network, name))


def batch_of(trace, step, members, member):
    """Give every member random data, but this one the trace's."""
    rng = np.random.default_rng(step)

    def place(name):
        golden = trace[f"batch/{name}"][step]
        data = rng.standard_normal((members, *golden.shape))
        if name == "action":
            data = np.tanh(data)
        data[member] = golden
        return torch.from_numpy(data)

    batch = Batch(
        place("obs"),
        place("action"),
        place("reward").squeeze(-1),
        place("next_obs"),
        place("not_terminated").squeeze(-1),
    )
    return batch, place("noise")


def check_member(learner, trace, member, step):
    """Compare clip ranges and networks with the trace after update `step` + 1."""
    names = "min_target max_target min_seen max_seen"
    clip = [learner.values[name][member].item() for name in names.split()]
    np.testing.assert_allclose(clip, trace["clip"][step], rtol=0, atol=1e-10)
    for network in NETWORKS.split():
        for name, value in getattr(learner.nets, network).state_dict().items():
            np.testing.assert_allclose(
                value[member],
                golden_tensor(trace, f"after{step + 1}", network, name),
                rtol=0,
                atol=1e-10,
                err_msg=f"{network}.{name} after update {step + 1}",
            )


@pytest.mark.parametrize("execution", ["eager", "compiled"])
@pytest.mark.parametrize("kind", ["online", "offline"])
@pytest.mark.parametrize(("members", "member"), [(1, 0), (3, 0), (3, 1), (3, 2)])
def test_update_reproduces_every_array_of_the_trace(kind, members, member, execution):
    trace = np.load(DATA / f"td7_{kind}.npz")
    learner = make_learner(trace, members, execution)
    load_golden_member(learner, trace, member)
    for step in range(trace["meta"][3]):
        td_error = learner.update(*batch_of(trace, step, members, member)).td_error
        priority = td_error.clamp(min=1).pow(0.4)[member]
        np.testing.assert_allclose(priority, trace["priority"][step], rtol=0, atol=1e-10)
        check_member(learner, trace, member, step)


@pytest.mark.parametrize("execution", ["eager", "compiled"])
@pytest.mark.parametrize("kind", ["online", "offline"])
def test_the_trace_is_reproduced_beside_members_in_another_phase_and_left_out(kind, execution):
    trace = np.load(DATA / f"td7_{kind}.npz")
    learner = make_learner(trace, 3, execution)
    load_golden_member(learner, trace, 1)
    others = 0
    learner.update(*batch_of(trace, 0, 3, 1), members=[0])  # one ahead of the trace's member
    for step in range(trace["meta"][3]):
        if step % 3 == 0:  # an update of the others alone, which the trace's must not feel
            kept = {name: value[1].clone() for name, value in learner.tensors().items()}
            learner.update(
                *batch_of(trace, step, 3, 1), members=[0, 2][others % 2 : others % 2 + 1]
            )
            others += 1
            for name, value in learner.tensors().items():
                assert torch.equal(value[1], kept[name]), name
        together = [m for m in range(3) if (learner.updates[m] - learner.updates[1]) % 2 == 0]
        learner.update(*batch_of(trace, step, 3, 1), members=together)
        check_member(learner, trace, 1, step)
    assert len(set(learner.updates)) > 1
