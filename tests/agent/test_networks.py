"""Stacked members behave as single networks do, and never touch each other."""

import numpy as np
import pytest
import torch
from torch import nn

from td7.agent.algorithm import Batch
from td7.agent.networks import JoinedLinear, MemberLinear, avg_l1_norm, effective_rank
from td7.config import TD7Config
from td7.updates.learner import Learner, NonFiniteLossError
from td7.updates.learners import Learners

SIZES = {"embedding_size": 8, "encoder_hidden": 16, "critic_hidden": 16, "actor_hidden": 16}
CONFIG = TD7Config(**SIZES, target_update_period=4)


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def random_batch(members, batch_size=12, seed=0, dtype=torch.float32):
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return torch.tensor(rng.standard_normal((members, batch_size, *shape)), dtype=dtype)

    ones = torch.ones(members, batch_size, dtype=dtype)
    return Batch(draw(5), draw(3).tanh(), draw(), draw(5), ones), draw(3)


def test_member_linear_equals_one_torch_linear_for_each_member():
    layer = MemberLinear(5, 4, generators(1, 2, 3))
    x = torch.randn(3, 7, 5)
    for member in range(3):
        single = nn.Linear(5, 4)
        single.weight.data = layer.weight[member].mT
        single.bias.data = layer.bias[member]
        torch.testing.assert_close(layer(x)[member], single(x[member]))


def test_member_linear_takes_its_input_in_parts():
    layer = MemberLinear(5, 4, generators(1, 2), copies=(3,))
    x = torch.randn(2, 3, 7, 5, requires_grad=True)
    whole = layer(x)
    torch.testing.assert_close(layer(x[..., :2], x[..., 2:3], x[..., 3:]), whole)
    single = JoinedLinear(5, 4)
    single.weight.data, single.bias.data = layer.weight[1, 2].mT, layer.bias[1, 2]
    torch.testing.assert_close(single(x[1, 2, :, :4], x[1, 2, :, 4:]), whole[1, 2])


def test_member_linear_is_initialised_uniformly_within_the_bound_of_torch_linear():
    layer = MemberLinear(400, 300, generators(0), copies=(2,))
    for value in (layer.weight, layer.bias):
        assert value.abs().max() <= 1 / 20
        assert value.abs().max() > 0.98 / 20
    # variance of U(-b, b) is b^2 / 3
    assert layer.weight.var().item() == pytest.approx((1 / 20) ** 2 / 3, rel=0.02)


def test_initial_weights_depend_on_the_members_own_seed_alone():
    together = Learner(5, 3, [4, 9, 2], CONFIG)
    alone = Learner(5, 3, [9], CONFIG)
    for name, value in alone.tensors().items():
        assert torch.equal(together.tensors()[name][1], value[0]), name


def test_all_copies_start_equal_to_their_source():
    learner = Learner(5, 3, [0, 1], CONFIG)
    for source, copies in {
        "encoder": ("fixed_encoder", "fixed_encoder_target", "checkpoint_encoder"),
        "actor": ("actor_target", "checkpoint_actor"),
        "critic": ("critic_target",),
    }.items():
        for copy in copies:
            ours = getattr(learner.nets, copy).state_dict()
            for name, value in getattr(learner.nets, source).state_dict().items():
                assert torch.equal(ours[name], value)
                assert ours[name].data_ptr() != value.data_ptr()


def copy_of(learner, member, dtype=torch.float32):
    """Return a learner of this member alone."""
    alone = Learner(5, 3, [learner.seeds[member]], CONFIG, dtype=dtype)
    theirs = learner.tensors()
    for name, tensor in alone.tensors().items():
        tensor.copy_(theirs[name][[member]])
    alone.set_updates([learner.updates[member]])
    return alone


def of_member(batch, noise, member):
    row = slice(member, member + 1)
    return Batch(*(value[row] for value in vars(batch).values())), noise[row]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_member_of_8_equals_the_same_member_alone_after_100_updates(dtype):
    learner = Learner(5, 3, range(8), CONFIG, dtype=dtype)
    alone = [copy_of(learner, member, dtype) for member in range(8)]
    for step in range(100):
        batch, noise = random_batch(8, seed=step, dtype=dtype)
        learner.update(batch, noise)
        for member, each in enumerate(alone):
            each.update(*of_member(batch, noise, member))
    for member, each in enumerate(alone):
        if dtype == torch.float64:
            for name, value in each.tensors().items():
                together = learner.tensors()[name][member]
                torch.testing.assert_close(together, value[0], rtol=0, atol=1e-10)
        q = [q_values(each, *of_member(batch, noise, member)), q_values(learner, batch, noise)]
        torch.testing.assert_close(q[1][member], q[0][0], rtol=1e-3, atol=1e-4)


def q_values(learner, batch, noise):
    with torch.no_grad():
        zs = learner.nets.fixed_encoder.zs(batch.obs)
        zsa = learner.nets.fixed_encoder.zsa(zs, batch.action)
        return learner.nets.critic(batch.obs, batch.action, zsa, zs)


def snapshot(learner):
    return {name: value.clone() for name, value in learner.tensors().items()}


def test_members_left_out_of_an_update_keep_every_bit_and_the_others_do_not_notice():
    learner = Learner(5, 3, [7, 8, 9], CONFIG)
    learner.update(*random_batch(3))
    alone, before = copy_of(learner, 0), snapshot(learner)
    for step in range(1, 6):  # over the targets' update at 4
        batch, noise = random_batch(3, seed=step)
        if step == 3:
            batch.reward[1] = torch.nan  # not even this reaches it
        learner.update(batch, noise, members=[0, 2])
        alone.update(*of_member(batch, noise, 0))
    for name, value in learner.tensors().items():
        assert torch.equal(value[1], before[name][1]), name
        torch.testing.assert_close(value[0], alone.tensors()[name][0], rtol=1e-4, atol=1e-5)
    assert learner.updates == [6, 1, 6]
    assert learner.take_failure() is None
    assert learner.optimizers["encoder"].steps[:, 0].tolist() == [6, 1, 6]
    assert learner.optimizers["actor"].steps[:, 0].tolist() == [3, 0, 3]


def test_members_in_two_phases_of_the_policy_period_are_not_updated_together():
    learner = Learner(5, 3, [7, 8], CONFIG)
    learner.update(*random_batch(2), members=[0])
    with pytest.raises(ValueError, match="must be in one phase"):
        learner.update(*random_batch(2))


@pytest.mark.parametrize("name", ["encoder", "critic", "actor"])
def test_a_loss_that_is_not_finite_is_named_and_its_member_goes_no_further(name):
    learner = Learner(5, 3, [7, 8], CONFIG)
    learner.update(*random_batch(2))
    before = snapshot(learner)
    batch, noise = random_batch(2, seed=1)
    if name == "encoder":
        batch.next_obs[1, 0] = torch.nan
    elif name == "critic":
        batch.reward[1, 0] = torch.nan
    else:
        with torch.no_grad():
            learner.nets.actor.l3.bias[1, 0] = torch.nan
        before = snapshot(learner)
    result = learner.update(batch, noise)
    assert result.alive.tolist() == [True, False]
    after = snapshot(learner)
    for step in range(2, 5):  # what comes later makes it no worse, and cannot hide it
        learner.update(*random_batch(2, seed=step))
    error = learner.take_failure()
    assert isinstance(error, NonFiniteLossError)
    assert f"seed 8: the {name} loss of update 2 must be finite, got nan" in str(error)
    assert learner.updates == [5, 1]
    assert learner.take_failure() is None
    for key, value in learner.tensors().items():
        torch.testing.assert_close(value[1], after[key][1], rtol=0, atol=0, equal_nan=True)
        spared = name != "actor" or "actor" in key  # its loss comes after the critic's step
        if spared:
            torch.testing.assert_close(value[1], before[key][1], rtol=0, atol=0, equal_nan=True)
    assert learner.optimizers["encoder"].steps[0, 0] == 5
    if name == "actor":
        assert all(torch.isfinite(value).all() for value in learner.nets.critic.parameters())


def test_load_refuses_a_state_of_other_names_or_shapes():
    learners = Learners(5, 3, [0, 1], CONFIG, device="cpu", group_size=1)
    tensors = learners.tensors()
    with pytest.raises(ValueError, match="differ in 'min_seen'"):
        learners.load({k: v for k, v in tensors.items() if k != "min_seen"}, [0, 0])
    wrong = tensors | {"min_seen": torch.zeros(3)}
    with pytest.raises(ValueError, match=r"min_seen must be torch.float32 \[2\], got .* \[3\]"):
        learners.load(wrong, [0, 0])


def test_a_state_goes_from_one_grouping_to_another():
    apart = Learners(5, 3, [4, 5, 6], CONFIG, device="cpu", group_size=1)
    for number, learner in enumerate(apart.groups):
        for step in range(number + 1):
            learner.update(*random_batch(1, seed=step))
    together = Learners(5, 3, [0, 1, 2], CONFIG, device="cpu", group_size=2)
    together.load(apart.tensors(), apart.updates)
    assert together.updates == [1, 2, 3]
    for name, value in apart.tensors().items():
        assert torch.equal(together.tensors()[name], value), name
    for member in range(3):
        for which in ("checkpoint", "current"):
            wanted = apart.policy_weights(member, which)
            for name, value in together.policy_weights(member, which).items():
                assert torch.equal(value, wanted[name]), name


def test_avg_l1_norm_has_unit_mean_magnitude_and_survives_zeros():
    x = torch.tensor([[1.0, -3.0], [0.0, 0.0]])
    torch.testing.assert_close(avg_l1_norm(x), torch.tensor([[0.5, -1.5], [0.0, 0.0]]))


def test_effective_rank_counts_the_directions_in_use():
    flat = torch.outer(torch.randn(50), torch.randn(8))
    orthogonal = torch.linalg.qr(torch.randn(50, 8))[0]
    rank = effective_rank(torch.stack([flat, orthogonal]))
    torch.testing.assert_close(rank, torch.tensor([1.0, 8.0]), rtol=1e-3, atol=1e-3)
